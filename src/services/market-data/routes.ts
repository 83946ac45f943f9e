import type { Logger } from "pino";
import { z } from "zod";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { candleSchema, candleSourceSchema, quoteSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { idText, numberText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import type { SeriesHead } from "#shared/http/clients.ts";
import { seriesHeadSchema } from "#shared/http/create-clients.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { CandlePages } from "./candles/candle-pages.ts";
import type { InstrumentTable } from "./instrument-table.ts";
import type { QuoteBoard } from "./quote-board.ts";
import { type Dropped, droppedSchema, dropQuery } from "./series/drop-series.ts";
import type { SeriesRequest } from "./series/ensure-series.ts";
import { headOf } from "./series/series.ts";
import type { Store } from "./store.ts";

export interface RouteOptions {
  log: Logger;
  store: Store;
  pages: CandlePages;
  instruments: InstrumentTable;
  quotes: QuoteBoard;
  ensure: (request: SeriesRequest) => Promise<SeriesHead>;
  drop: (series: z.infer<typeof dropQuery>) => Promise<Dropped>;
}

const tags = ["market-data"];
const instrumentId = instrumentSchema.shape.id;
const seriesBody = z
  .strictObject({
    instrumentId,
    timeFrame: timeFrameSchema,
    source: candleSourceSchema,
    history: z
      .number()
      .int()
      .min(0)
      .max(MOST_HISTORY)
      .describe(
        "Closed bars that it has to have, where the venue has them; a series with fewer grows at its beginning",
      ),
    forming: z.boolean().optional().describe("Whether the candle that forms is published with each trade"),
  })
  .meta({ examples: [{ instrumentId: "SPX/USD.paper", timeFrame: "1w", source: "bars", history: 100 }] });
const seriesQuery = z.strictObject({
  instrumentId: instrumentId.optional().describe("Only of this instrument"),
  timeFrame: timeFrameSchema.optional().describe("Only of this time frame"),
});
const candlesQuery = z
  .strictObject({
    instrumentId,
    timeFrame: timeFrameSchema,
    fromN: numberText.optional().describe("Candles with this number or a later one"),
    fromMs: z.coerce.number().int().nonnegative().optional().describe("Candles that opened then or later"),
    toMs: z.coerce.number().int().nonnegative().optional().describe("Candles that opened before"),
    limit: z.coerce.number().int().min(1).max(5_000).default(1_000).describe("How many at most"),
  })
  .refine(({ fromMs, toMs }) => fromMs === undefined || toMs === undefined || fromMs < toMs, {
    path: ["toMs"],
    message: "must be after fromMs",
  });

/** Instruments, series and candles for services and people. */
export function createRoutes({ log, store, pages, instruments, quotes, ensure, drop }: RouteOptions) {
  return httpBase("market-data", log)
    .get(
      "/instruments",
      async ({ query }) => {
        if (query.id !== undefined) {
          const found = await instruments.find(query.id);
          return { items: found === null ? [] : [found], nextCursor: null };
        }
        const [afterId] = readCursor(query.cursor, z.tuple([z.string()])) ?? [""];
        const rows = await instruments.list({ venue: query.venue, afterId, limit: query.limit + 1 });
        return pageOf(rows, query.limit, ({ id }) => [id]);
      },
      {
        query: pageQuery.extend({
          id: instrumentId.optional().describe("This one alone, asked for at its venue where it is not known"),
          venue: idText.optional().describe("Only of this venue"),
        }),
        response: { 200: pageSchema(instrumentSchema), 422: problemSchema },
        detail: { summary: "Lists instruments", tags },
      },
    )
    .get("/series", async ({ query }) => ({ items: (await store.listSeries(query)).map(headOf), nextCursor: null }), {
      query: seriesQuery,
      response: { 200: pageSchema(seriesHeadSchema) },
      detail: { summary: "Lists the series that are kept", tags },
    })
    .post("/series", async ({ body }) => await ensure(body), {
      body: seriesBody,
      response: { 200: seriesHeadSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
      detail: { summary: "Makes sure that a series is kept; the same call twice changes nothing", tags },
    })
    .delete("/series", ({ query }) => drop(query), {
      query: dropQuery,
      response: { 200: droppedSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
      detail: {
        summary: "Removes a series with its candles and back-fills, for good",
        description:
          "For one that was begun from the wrong file or source: POST /series makes it anew, numbered from 1 on. 409 while a session at work reads it, or a back-fill of it goes on.",
        tags,
      },
    })
    .get(
      "/quotes",
      ({ query: { instrumentId: id } }) => {
        const one = id === undefined ? null : quotes.find(id);
        return { items: id === undefined ? quotes.list() : one === null ? [] : [one], nextCursor: null };
      },
      {
        query: z.strictObject({ instrumentId: instrumentId.optional().describe("Only of this instrument") }),
        response: { 200: pageSchema(quoteSchema), 422: problemSchema },
        detail: { summary: "Best bid and ask of the instruments whose quotes are followed, as they stand", tags },
      },
    )
    .get(
      "/candles",
      async ({ query }) => {
        const items = await pages.read(query);
        return { items, nextCursor: null };
      },
      {
        query: candlesQuery,
        response: { 200: pageSchema(candleSchema), 422: problemSchema },
        detail: { summary: "Closed candles, oldest first; the next page begins behind the last number", tags },
      },
    );
}
