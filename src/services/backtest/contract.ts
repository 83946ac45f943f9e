import { z } from "zod";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber, decimalText, epochMs, nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { paramsSchema, sessionSchema } from "#shared/domain/session.ts";

/** What a run is asked with: the same words as a session. */
export const requestSchema = sessionSchema
  .pick({ strategy: true, timeFrame: true, capital: true, riskPolicy: true })
  .extend({
    params: paramsSchema.default({}),
    instrumentId: instrumentSchema.shape.id,
    /** Number of the first candle. Default: the first one that is kept. */
    fromN: countNumber.positive().optional(),
    /** Number of the last candle. Default: the newest one. */
    toN: countNumber.positive().optional(),
    /** How much history to fetch from the venue first, in candles, where it is not kept yet. */
    history: z.number().int().nonnegative().max(MOST_HISTORY).default(0),
  })
  .strict()
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
  bars: z.number().int().nullable(),
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

export const equityPointSchema = z.object({ closeAtMs: epochMs, equity: decimalText });
export type EquityPointJson = z.infer<typeof equityPointSchema>;
