import type { Logger } from "pino";
import { z } from "zod";
import { MOST_A_PAGE } from "#shared/candles/limits.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { venueBarSchema, venueTradeSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { idText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Instruments } from "./instruments.ts";
import { askForFeed, type Feed } from "./store.ts";

export interface RouteOptions {
  db: Db;
  clock: Clock;
  log: Logger;
  exchanges: Exchanges;
  instruments: Instruments;
  /** Called when a feed was asked for. */
  onAsked: () => void;
}

const limit = z.coerce.number().int().min(1).max(MOST_A_PAGE).default(1_000).describe("How many at most");
const listOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item) });
const instrumentId = instrumentSchema.shape.id;
const barsQuery = z
  .strictObject({
    instrumentId,
    timeFrame: timeFrameSchema,
    fromMs: z.coerce.number().int().nonnegative().optional().describe("Bars that open then or later"),
    toMs: z.coerce.number().int().nonnegative().optional().describe("The newest bars that open before"),
    limit,
  })
  .refine(({ fromMs, toMs }) => fromMs === undefined || toMs === undefined, {
    path: ["toMs"],
    message: "goes without fromMs",
  });
const feedSchema = z.discriminatedUnion("kind", [
  z.strictObject({ instrumentId, kind: z.literal("trades") }),
  z.strictObject({ instrumentId, kind: z.literal("bars"), timeFrame: timeFrameSchema }),
]);

/** Internal REST, for market-data: what closes a hole, straight from the venue. */
export function createRoutes({ db, clock, log, exchanges, instruments, onAsked }: RouteOptions) {
  return httpBase("data-collect", log)
    .get("/instruments", async ({ query }) => ({ items: await instruments.ofVenue(query.venue, 60_000) }), {
      query: z.strictObject({ venue: idText }),
      response: { 200: listOf(instrumentSchema), 404: problemSchema },
      detail: { summary: "Lists the instruments of a venue", tags: ["data-collect"] },
    })
    .get(
      "/bars",
      async ({ query }) => {
        const { instrumentId, timeFrame, fromMs, toMs } = query;
        const instrument = await instruments.get(instrumentId);
        const start = { ...(fromMs === undefined ? {} : { fromMs }), ...(toMs === undefined ? {} : { toMs }) };
        const range = { limit: query.limit, ...start };
        return { items: await exchanges.marketData(instrument.venue).bars({ instrument, timeFrame, ...range }) };
      },
      {
        query: barsQuery,
        response: { 200: listOf(venueBarSchema), 404: problemSchema, 422: problemSchema },
        detail: {
          summary: "Closed bars of the venue, oldest first; without fromMs the newest (before toMs)",
          tags: ["data-collect"],
        },
      },
    )
    .get(
      "/trades",
      async ({ query }) => {
        const instrument = await instruments.get(query.instrumentId);
        const range = { limit: query.limit, ...(query.fromId === undefined ? {} : { fromId: query.fromId }) };
        return { items: await exchanges.marketData(instrument.venue).trades({ instrument, ...range }) };
      },
      {
        query: z.strictObject({
          instrumentId,
          fromId: z
            .string()
            .regex(/^\d{1,16}$/)
            .optional()
            .describe("Trades with this id or a later one"),
          limit,
        }),
        response: { 200: listOf(venueTradeSchema), 404: problemSchema },
        detail: { summary: "Trades of the venue, oldest first; without fromId the newest", tags: ["data-collect"] },
      },
    )
    .post(
      "/feeds",
      async ({ body }) => {
        const feed: Feed = body;
        await instruments.get(feed.instrumentId);
        await askForFeed(db, feed, clock.nowMs());
        onAsked();
        return feed;
      },
      {
        body: feedSchema,
        response: { 200: feedSchema, 404: problemSchema },
        detail: { summary: "Asks for a feed beside the bars of the sessions", tags: ["data-collect"] },
      },
    );
}
