import { z } from "zod";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import {
  candleNumber,
  decimalText,
  epochMs,
  isoDate,
  nonNegativeDecimal,
  positiveDecimal,
} from "#shared/domain/schemas.ts";
import { paramsSchema, sessionSchema } from "#shared/domain/session.ts";

/** What a run is asked with: the same words as a session. */
export const requestSchema = sessionSchema
  .pick({ strategy: true, timeFrame: true, capital: true, riskPolicy: true })
  .extend({
    params: paramsSchema
      .default({})
      .describe("Parameters of the strategy, by their names; what is not given has the default of the strategy"),
    instrumentId: instrumentSchema.shape.id.describe(
      "What is traded: SYMBOL.VENUE, as GET /api/market-data/instruments lists them",
    ),
    from: isoDate.optional().describe("Day of the first candle, of UTC. Default: that of the first one that is kept"),
    to: isoDate.optional().describe("Day of the last candle, which it holds whole. Default: that of the newest one"),
    fromN: candleNumber.optional().describe("Number of the first candle, in place of from"),
    toN: candleNumber.optional().describe("Number of the last candle, in place of to"),
    history: z
      .number()
      .int()
      .nonnegative()
      .max(MOST_HISTORY)
      .default(0)
      .describe("How much history to fetch from the venue first, in candles, where it is not kept yet"),
  })
  .strict()
  .refine(({ from, fromN }) => from === undefined || fromN === undefined, {
    path: ["from"],
    message: "must not stand beside fromN: each says where it begins",
  })
  .refine(({ to, toN }) => to === undefined || toN === undefined, {
    path: ["to"],
    message: "must not stand beside toN: each says where it ends",
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ["to"],
    message: "must not be before from",
  })
  .refine(({ fromN, toN }) => fromN === undefined || toN === undefined || fromN <= toN, {
    path: ["toN"],
    message: "must not be below fromN",
  })
  .meta({
    examples: [
      {
        strategy: "sma-cross",
        params: { fast: 10, slow: 30 },
        instrumentId: "SPX/USD.paper",
        timeFrame: "1d",
        from: "2001-01-01",
        to: "2010-12-31",
        capital: "5000",
        riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
      },
    ],
  });
export type RunRequest = z.infer<typeof requestSchema>;

export const statisticsSchema = z.object({
  bars: z.number().int().describe("How many candles were used"),
  finalEquity: decimalText.describe("Cash and position at the last close, in the quote asset"),
  netProfit: decimalText.describe("That less the capital"),
  return: decimalText.describe("That as a share of the capital: 0.05 is 5 %"),
  maxDrawdown: z
    .number()
    .describe("Largest fall of the equity at a close from its highest close before, as a share of that: 0.2 is 20 %"),
  sharpe: z.number().nullable().describe("Mean of the returns over their deviation, a year; null: it has no meaning"),
  sortino: z.number().nullable().describe("The same over the deviation of losses alone"),
  trades: z.number().int().describe("Round trips that are over"),
  openSize: decimalText.describe("Position at the last close, in the base asset, dust included"),
  openProfit: decimalText.describe(
    "netProfit less the profits of the trades: what the position that is open at the end is worth more than it cost",
  ),
  winRate: z.number().nullable().describe("Share of the trades with a profit above zero; null: there are none"),
  profitFactor: z.number().nullable().describe("Sum of the profits over the sum of the losses; null: there is no loss"),
  fees: z.record(z.string(), decimalText).describe("By asset"),
  feesInQuote: decimalText.describe("All fees in the quote asset, those in the base asset at the price of their fill"),
  exposure: z.number().describe("Share of the closes at which a position stood"),
});

export const RUN_STATES = ["QUEUED", "RUNNING", "DONE", "FAILED", "CANCELED"] as const;

export const runSchema = z.object({
  id: z.uuid().describe("The run's id"),
  state: z.enum(RUN_STATES).describe("Where it is"),
  request: requestSchema.describe("What was asked, with its defaults"),
  strategyVersion: z.string().nullable().describe("Version of the strategy that was run; null until it is done"),
  progress: z.number().describe("Share of the bars that are done, 0 to 1"),
  bars: z.number().int().nullable().describe("How many candles were used; null until it is done"),
  barsReason: z.string().nullable().describe("Which candles these are, and why it begins and ends with them"),
  statistics: statisticsSchema.nullable().describe("What it came to; null until it is done"),
  denials: z
    .record(z.string(), z.number().int())
    .nullable()
    .describe("How often risk said no, by code; null until it is done"),
  error: z.string().nullable().describe("Why it failed or was canceled, in a sentence"),
  createdAtMs: epochMs.describe("When it was asked for, UTC epoch milliseconds"),
  finishedAtMs: epochMs.nullable().describe("When it was over, UTC epoch milliseconds; null: it is not"),
});
export type Run = z.infer<typeof runSchema>;

export const orderSchema = z.object({
  number: z.number().int().positive().describe("Number within the run, from 1"),
  side: z.enum(["BUY", "SELL"]).describe("BUY or SELL"),
  type: z.enum(["MARKET", "LIMIT"]).describe("How it was worked"),
  size: positiveDecimal.describe("In the base asset"),
  state: z
    .enum(["OPEN", "FILLED", "EXPIRED"])
    .describe("OPEN: the candles ended before a price could fill it. EXPIRED: it ended without a fill"),
  filled: nonNegativeDecimal.describe("What of its size was executed"),
  averagePrice: positiveDecimal.nullable().describe("At which it was filled; null: it was not"),
  fee: decimalText.nullable().describe("Of its fill, in the fee asset"),
  feeAsset: z.string().nullable().describe("What the fee was taken in"),
  filledAtMs: epochMs.nullable().describe("Market time of its fill, UTC epoch milliseconds"),
});

export const tradeSchema = z
  .object({
    number: z.number().int().positive().describe("Number within the run, from 1"),
    openedAtMs: epochMs.describe("Market time of the fill that opened it"),
    closedAtMs: epochMs.describe("Market time of the fill that closed it"),
    bars: z.number().int().nonnegative().describe("Bars from the one to the other"),
    size: positiveDecimal.describe("What was held after the fill that opened it, in the base asset"),
    entryPrice: positiveDecimal.describe("Price of the fill that opened it"),
    exitPrice: positiveDecimal.describe("Price of the fill that closed it"),
    profit: decimalText.describe("What the cash grew by, fees taken, in the quote asset"),
  })
  .describe("A round trip: from the fill that opened a position to the one that left nothing of it");

export const equityPointSchema = z.object({ closeAtMs: epochMs, equity: decimalText });
export type EquityPointJson = z.infer<typeof equityPointSchema>;
