import { z } from "zod";
import { MOST_BACKFILL } from "#shared/candles/limits.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber, epochMs } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";

export const BACKFILL_STATES = ["QUEUED", "RUNNING", "DONE", "FAILED", "CANCELED"] as const;

/** What a back-fill is asked with. */
export const backfillRequestSchema = z
  .strictObject({
    instrumentId: instrumentSchema.shape.id,
    timeFrame: timeFrameSchema,
    fromMs: epochMs
      .optional()
      .describe("The series grows until it has all candles that opened then or later, UTC epoch milliseconds"),
    from: z
      .union([z.iso.date(), z.iso.datetime()], {
        error: 'must be a day like "2020-01-31" or a time of UTC like "2020-01-31T12:00:00Z"',
      })
      .optional()
      .describe("The same as a day or a time of UTC, in place of fromMs"),
    count: z
      .number()
      .int()
      .min(1)
      .max(MOST_BACKFILL)
      .optional()
      .describe("The series grows until it has so many candles, in place of a time"),
  })
  .refine(({ fromMs, from, count }) => [fromMs, from, count].filter((one) => one !== undefined).length === 1, {
    message: "must have one of from, fromMs and count, which says how far to go back, and one of them alone",
  })
  .meta({ examples: [{ instrumentId: "SPX/USD.paper", timeFrame: "1d", from: "2000-01-01" }] });
export type BackfillRequest = z.infer<typeof backfillRequestSchema>;

/** A back-fill as it is read. */
export const backfillSchema = z.object({
  id: z.uuid().describe("The back-fill's id"),
  instrumentId: z.string().describe("Of which series"),
  timeFrame: timeFrameSchema.describe("Of which series"),
  state: z
    .enum(BACKFILL_STATES)
    .describe("Where it is. FAILED and CANCELED ones go on with resume; what they have added stays"),
  fromMs: epochMs.nullable().describe("All candles that opened then or later; null: no time was asked for"),
  count: countNumber.nullable().describe("So many candles of the series; null: no number was asked for"),
  added: countNumber.describe("Candles that it has added"),
  oldestOpenAtMs: epochMs.describe("When the first candle of the series opened as it was last seen here"),
  progress: z
    .number()
    .describe("Share of what was asked for that is done, 0 to 1; DONE is 1, also where history begins later"),
  endReason: z.string().nullable().describe("Why it is DONE, in a sentence: it is there, or history begins later"),
  error: z
    .string()
    .nullable()
    .describe("Why it failed or was canceled, in a sentence; while it goes on: why its page is being tried again"),
  createdAtMs: epochMs.describe("When it was asked for, UTC epoch milliseconds"),
  finishedAtMs: epochMs.nullable().describe("When it was over, UTC epoch milliseconds; null: it is not"),
});
export type Backfill = z.infer<typeof backfillSchema>;
