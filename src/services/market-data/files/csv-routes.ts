import { Elysia } from "elysia";
import type { Logger } from "pino";
import type { Store } from "#services/market-data/store.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { httpBase } from "#shared/http/http-base.ts";
import {
  type ExportQuery,
  exportQuery,
  importQuery,
  importResponses,
  requireSeries,
  typeHeaders,
} from "./file-schemas.ts";
import { type ImportOptions, importCandles } from "./import-candles.ts";
import { readFile } from "./read-file.ts";

const tags = ["market-data"];
/** Candles read at once; what is sent waits for who reads. */
const PAGE = 5_000;

/** Candles as CSV files. */
export function createCsvRoutes(options: ImportOptions & { log: Logger }) {
  return new Elysia().use(exportRoutes(options)).use(importRoutes(options));
}

function exportRoutes({ log, store }: { log: Logger; store: Store }) {
  return httpBase("market-data", log).get(
    "/candles/csv",
    async ({ query }) => {
      await requireSeries(store, query);
      return new Response(linesOf(store, query), { headers: { "content-type": "text/csv" } });
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
function linesOf(store: Store, { toN = Number.POSITIVE_INFINITY, ...query }: ExportQuery): ReadableStream {
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
    async ({ query, request }) => {
      const file = await request.arrayBuffer();
      return await importCandles(options, query, {
        unit: "line",
        read: (wanted) => readFile({ form: "csv", file, ...wanted }, options.clock),
      });
    },
    {
      parse: "none",
      query: importQuery,
      headers: typeHeaders("text/csv"),
      response: importResponses,
      detail: {
        summary: "Adds the bars of a CSV file to a series, all or none; each line that cannot be taken is named",
        requestBody: {
          required: true,
          content: {
            "text/csv": {
              schema: {
                type: "string",
                description: "CSV with the columns date, open, high, low, close and volume; dates in UTC",
              },
            },
          },
        },
        tags,
      },
    },
  );
}
