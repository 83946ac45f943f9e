import { Elysia } from "elysia";
import type { Logger } from "pino";
import type { Store } from "#services/market-data/store.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { exportQuery, importQuery, importResponses, requireSeries, typeHeaders } from "./file-schemas.ts";
import { type ImportOptions, importCandles } from "./import-candles.ts";
import { readFile } from "./read-file.ts";
import { parquetOf } from "./write-parquet.ts";

const tags = ["market-data"];
const TYPE = "application/vnd.apache.parquet";
const schema = { type: "string", format: "binary", description: "A Parquet file" } as const;

/** Candles as Parquet files. */
export function createParquetRoutes(options: ImportOptions & { log: Logger }) {
  return new Elysia().use(exportRoutes(options)).use(importRoutes(options));
}

function exportRoutes({ log, store }: { log: Logger; store: Store }) {
  return httpBase("market-data", log).get(
    "/candles/parquet",
    async ({ query }) => {
      const series = await requireSeries(store, query);
      return new Response(await parquetOf(store, series, query), { headers: { "content-type": TYPE } });
    },
    {
      query: exportQuery,
      detail: {
        summary: "Closed candles as a Parquet file: date, open, high, low, close, volume, n",
        description:
          "date is a timestamp in UTC, prices and volume are exact decimals with as many places as are needed.",
        tags,
        responses: {
          200: { description: "The file, oldest candle first", content: { [TYPE]: { schema } } },
          404: { description: "The series is not kept" },
        },
      },
    },
  );
}

function importRoutes({ log, ...options }: ImportOptions & { log: Logger }) {
  return httpBase("market-data", log, { bodies: "any" }).post(
    "/candles/parquet",
    async ({ query, request }) => {
      const file = await request.arrayBuffer();
      return await importCandles(options, query, {
        unit: "row",
        read: (wanted) => readFile({ form: "parquet", file, ...wanted }, options.clock),
      });
    },
    {
      parse: "none",
      query: importQuery,
      headers: typeHeaders(TYPE),
      response: importResponses,
      detail: {
        summary: "Adds the bars of a Parquet file to a series, all or none; each row that cannot be taken is named",
        description: "Rows are counted from 1 on. Columns date, open, high, low, close and volume; dates in UTC.",
        requestBody: { required: true, content: { [TYPE]: { schema } } },
        tags,
      },
    },
  );
}
