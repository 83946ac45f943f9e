import { z } from "zod";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import {
  countNumber,
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
    params: paramsSchema.default({}),
    instrumentId: instrumentSchema.shape.id,
    from: isoDate.optional().describe("Day of the first candle, of UTC. Default: that of the first one that is kept"),
    to: isoDate.optional().describe("Day of the last candle, which it holds whole. Default: that of the newest one"),
    fromN: countNumber.positive().optional().describe("Number of the first candle, in place of from"),
    toN: countNumber.positive().optional().describe("Number of the last candle, in place of to"),
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
  });
export type RunRequest = z.infer<typeof requestSchema>;

const statisticsSchema = z.object({
  bars: z.number().int(),
  finalEquity: decimalText,
  netProfit: decimalText,
  return: decimalText,
  maxDrawdown: z.number(),
  sharpe: z.number().nullable(),
  sortino: z.number().nullable(),
  trades: z.number().int(),
  winRate: z.number().nullable(),
  profitFactor: z.number().nullable(),
  fees: z.record(z.string(), decimalText),
  feesInQuote: decimalText,
  exposure: z.number(),
});

export const RUN_STATES = ["QUEUED", "RUNNING", "DONE", "FAILED", "CANCELED"] as const;

export const runSchema = z.object({
  id: z.uuid(),
  state: z.enum(RUN_STATES),
  request: requestSchema,
  /** Share of the bars that are done, 0 to 1. */
  progress: z.number(),
  bars: z.number().int().nullable().describe("How many candles were used; null until it is done"),
  barsReason: z.string().nullable().describe("Which candles these are, and why it begins and ends with them"),
  statistics: statisticsSchema.nullable(),
  /** How often risk said no, by code. */
  denials: z.record(z.string(), z.number().int()).nullable(),
  error: z.string().nullable(),
  createdAtMs: epochMs,
  finishedAtMs: epochMs.nullable(),
});
export type Run = z.infer<typeof runSchema>;

export const orderSchema = z.object({
  number: z.number().int().positive(),
  side: z.enum(["BUY", "SELL"]),
  type: z.enum(["MARKET", "LIMIT"]),
  size: positiveDecimal,
  state: z.enum(["OPEN", "FILLED", "EXPIRED"]),
  filled: nonNegativeDecimal,
  averagePrice: positiveDecimal.nullable(),
  fee: decimalText.nullable(),
  feeAsset: z.string().nullable(),
  filledAtMs: epochMs.nullable(),
});

export const tradeSchema = z
  .object({
    number: z.number().int().positive(),
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
