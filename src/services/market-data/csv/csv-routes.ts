import { Elysia } from "elysia";
import type { Logger } from "pino";
import { z } from "zod";
import type { Store } from "#services/market-data/store.ts";
import { type Candle, candleSourceSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber, numberText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { type ImportOptions, importCandles } from "./import-candles.ts";

const tags = ["market-data"];
const series = { instrumentId: instrumentSchema.shape.id, timeFrame: timeFrameSchema };
/** Candles read at once; what is sent waits for who reads. */
const PAGE = 5_000;

const exportQuery = z.strictObject({
  ...series,
  fromN: numberText.optional().describe("Candles with this number or a later one; without it from the first"),
  toN: numberText.optional().describe("Candles with this number or an earlier one; without it to the newest"),
});
const importQuery = z.strictObject({
  ...series,
  source: candleSourceSchema.default("bars").describe("What the candles of the series are made of"),
});
const importedSchema = z.object({
  earlier: countNumber.describe("Candles that were added before the first: they are numbered 0, -1, ..."),
  later: countNumber.describe("Candles that were added behind the newest"),
  same: countNumber.describe("Lines whose candle is kept already, exactly so"),
  withoutTrade: countNumber.describe("Lines without a volume, left out where trades make candles"),
  firstN: z.number().int().describe("Number of its first candle now"),
  headN: countNumber.describe("Number of its newest candle now"),
});

/** Candles as files. */
export function createCsvRoutes(options: ImportOptions & { log: Logger }) {
  return new Elysia().use(exportRoutes(options)).use(importRoutes(options));
}

function exportRoutes({ log, store }: { log: Logger; store: Store }) {
  return httpBase("market-data", log).get(
    "/candles/csv",
    async ({ query }) => {
      const kept = await store.series(query.instrumentId, query.timeFrame);
      if (kept !== null) return new Response(linesOf(store, query), { headers: { "content-type": "text/csv" } });
      const message = `No series ${query.instrumentId} ${query.timeFrame} is kept.`;
      throw new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId: query.instrumentId } });
    },
    {
      query: exportQuery,
      detail: {
        summary: "Closed candles as CSV: date, open, high, low, close, volume, n",
        tags,
        responses: {
          200: {
            description: "The lines, oldest first",
            content: {
              "text/csv": {
                schema: { type: "string", description: "A line a candle, behind the names of the columns" },
              },
            },
          },
          404: { description: "The series is not kept" },
        },
      },
    },
  );
}

/** Page by page, as they are read. */
function linesOf(
  store: Store,
  { toN = Number.POSITIVE_INFINITY, ...query }: z.infer<typeof exportQuery>,
): ReadableStream {
  let fromN = query.fromN;
  const encoder = new TextEncoder();
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode("date,open,high,low,close,volume,n\n")),
    async pull(controller) {
      const page = await store.candles({ ...query, fromN, limit: PAGE });
      const wanted = page.filter(({ n }) => n <= toN);
      if (wanted.length > 0) controller.enqueue(encoder.encode(wanted.map(lineOf).join("")));
      fromN = (page.at(-1)?.n ?? 0) + 1;
      if (wanted.length < PAGE) controller.close();
    },
  });
}

function lineOf({ openAtMs, open, high, low, close, volume, n }: Candle): string {
  return `${[new Date(openAtMs).toISOString(), open, high, low, close, volume, n].join()}\n`;
}

function importRoutes({ log, ...options }: ImportOptions & { log: Logger }) {
  return httpBase("market-data", log, { bodies: "any" }).post(
    "/candles/csv",
    ({ query, body }) => importCandles(options, { ...query, csv: body }),
    {
      parse: "text",
      query: importQuery,
      headers: z.looseObject({
        "content-type": z
          .string()
          .regex(/^text\/csv(;|$)/i, "must be text/csv")
          .describe("text/csv: pages of anyone cannot send it"),
      }),
      body: z.string().describe("CSV with the columns date, open, high, low, close and volume; dates in UTC"),
      response: { 200: importedSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
      detail: {
        summary: "Adds the bars of a CSV file to a series, all or none; each line that cannot be taken is named",
        tags,
      },
    },
  );
}
