import { z } from "zod";
import { noSeries } from "#services/market-data/series/no-series.ts";
import type { Store } from "#services/market-data/store.ts";
import { candleSourceSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber, numberText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { problemSchema } from "#shared/http/problem.ts";

const series = { instrumentId: instrumentSchema.shape.id, timeFrame: timeFrameSchema };

/** Which candles a file is made of. */
export const exportQuery = z
  .strictObject({
    ...series,
    fromN: numberText.optional().describe("Candles with this number or a later one; without it from the first"),
    toN: numberText.optional().describe("Candles with this number or an earlier one; without it to the newest"),
  })
  .refine(({ fromN, toN }) => fromN === undefined || toN === undefined || fromN <= toN, {
    path: ["toN"],
    message: "must not be below fromN",
  });
export type ExportQuery = z.infer<typeof exportQuery>;

/** Which series a file is added to. */
export const importQuery = z.strictObject({
  ...series,
  source: candleSourceSchema.default("bars").describe("What the candles of the series are made of"),
});

const importedSchema = z.object({
  earlier: countNumber.describe("Candles that were added before the first: they are numbered 0, -1, ..."),
  later: countNumber.describe("Candles that were added behind the newest"),
  same: countNumber.describe("Lines or rows whose candle is kept already, exactly so"),
  withoutTrade: countNumber.describe("Lines or rows without a volume, left out where trades make candles"),
  firstN: z.number().int().describe("Number of its first candle now"),
  headN: countNumber.describe("Number of its newest candle now"),
});

/** What an import answers. */
export const importResponses = { 200: importedSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema };

/** The type that a file has to be sent with. */
export function typeHeaders(type: string) {
  const pattern = new RegExp(`^${type.replaceAll(".", "\\.")}(;|$)`, "i");
  const named = z.string().regex(pattern, `must be ${type}`).describe(`${type}: pages of anyone cannot send it`);
  return z.looseObject({ "content-type": named });
}

/** The series whose candles are asked for. NOT_FOUND: it is not kept. */
export async function requireSeries(store: Store, { instrumentId, timeFrame }: ExportQuery) {
  const kept = await store.series(instrumentId, timeFrame);
  if (kept !== null) return kept;
  throw noSeries({ instrumentId, timeFrame });
}
