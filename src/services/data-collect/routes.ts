import { Elysia } from "elysia";
import type { Logger } from "pino";
import { z } from "zod";
import { MOST_A_PAGE } from "#shared/candles/limits.ts";
import { requireTimeFrame } from "#shared/candles/time-frame-fault.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { venueBarSchema, venueTradeSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { epochMs, idText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageSchema } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { askedFeeds, askForFeed, removeFeed } from "./store.ts";
import type { VenueLists } from "./venue/venue-lists.ts";

export interface RouteOptions {
  db: Db;
  clock: Clock;
  log: Logger;
  exchanges: Exchanges;
  lists: VenueLists;
  /** Called when a feed was asked for or removed. */
  onChanged: () => void;
}

const limit = z.coerce.number().int().min(1).max(MOST_A_PAGE).default(1_000).describe("How many at most");
const listOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item).describe("All there are") });
const instrumentId = instrumentSchema.shape.id;
const barsQuery = z
  .strictObject({
    instrumentId,
    timeFrame: timeFrameSchema,
    fromMs: z.coerce.number().int().nonnegative().optional().describe("Bars that open then or later"),
    toMs: z.coerce.number().int().positive().optional().describe("The newest bars that open before"),
    limit,
  })
  .refine(({ fromMs, toMs }) => fromMs === undefined || toMs === undefined, {
    path: ["toMs"],
    message: "goes without fromMs",
  });
const feedKind = <Kind extends string>(kind: Kind) => z.literal(kind).describe("What is followed");
const feedSchema = z.discriminatedUnion("kind", [
  z.strictObject({ instrumentId, kind: feedKind("trades") }),
  z.strictObject({ instrumentId, kind: feedKind("quotes") }),
  z.strictObject({ instrumentId, kind: feedKind("bars"), timeFrame: timeFrameSchema }),
]);
const asked = { askedAtMs: epochMs.describe("When it was asked for first, UTC epoch milliseconds") };
const askedFeedSchema = z.discriminatedUnion("kind", [
  feedSchema.options[0].extend(asked),
  feedSchema.options[1].extend(asked),
  feedSchema.options[2].extend(asked),
]);
const removeQuery = z
  .strictObject({
    instrumentId,
    kind: z.enum(["trades", "quotes", "bars"]).describe("What is followed"),
    timeFrame: timeFrameSchema.optional(),
  })
  .refine(({ kind, timeFrame }) => (kind === "bars") === (timeFrame !== undefined), {
    path: ["timeFrame"],
    message: "goes with bars, and with bars alone",
  });

/** Internal REST, for market-data: what closes a hole, straight from the venue. */
export function createRoutes(options: RouteOptions) {
  return new Elysia().use(venueRoutes(options)).use(feedRoutes(options));
}

function venueRoutes({ log, exchanges, lists }: RouteOptions) {
  return httpBase("data-collect", log)
    .get("/instruments", async ({ query }) => ({ items: await lists.ofVenue(query.venue, 60_000) }), {
      query: z.strictObject({ venue: idText.describe("A name of R3_VENUES") }),
      response: { 200: listOf(instrumentSchema), 404: problemSchema, 502: problemSchema },
      detail: { summary: "Lists the instruments of a venue", tags: ["data-collect"] },
    })
    .get(
      "/bars",
      async ({ query }) => {
        const { instrumentId, timeFrame, fromMs, toMs } = query;
        const instrument = await lists.get(instrumentId);
        requireTimeFrame(instrument, timeFrame, "query.timeFrame");
        const start = { ...(fromMs === undefined ? {} : { fromMs }), ...(toMs === undefined ? {} : { toMs }) };
        const range = { limit: query.limit, ...start };
        return { items: await exchanges.marketData(instrument.venue).bars({ instrument, timeFrame, ...range }) };
      },
      {
        query: barsQuery,
        response: { 200: listOf(venueBarSchema), 404: problemSchema, 422: problemSchema, 502: problemSchema },
        detail: {
          summary: "Closed bars of the venue, oldest first; without fromMs the newest (before toMs)",
          tags: ["data-collect"],
        },
      },
    )
    .get(
      "/trades",
      async ({ query }) => {
        const instrument = await lists.get(query.instrumentId);
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
        response: { 200: listOf(venueTradeSchema), 404: problemSchema, 502: problemSchema },
        detail: { summary: "Trades of the venue, oldest first; without fromId the newest", tags: ["data-collect"] },
      },
    );
}

/** Feeds beside the bars of the sessions. */
function feedRoutes({ db, clock, log, lists, onChanged }: RouteOptions) {
  const tags = ["data-collect"];
  return httpBase("data-collect", log)
    .get("/feeds", async () => ({ items: await askedFeeds(db), nextCursor: null }), {
      response: { 200: pageSchema(askedFeedSchema) },
      detail: { summary: "Lists the feeds that were asked for, whether they run or not", tags },
    })
    .post(
      "/feeds",
      async ({ body }) => {
        const instrument = await lists.get(body.instrumentId);
        if (body.kind === "bars") requireTimeFrame(instrument, body.timeFrame);
        await askForFeed(db, body, clock.nowMs());
        onChanged();
        return body;
      },
      {
        body: feedSchema,
        response: { 200: feedSchema, 404: problemSchema, 422: problemSchema, 502: problemSchema },
        detail: { summary: "Asks for a feed beside the bars of the sessions", tags },
      },
    )
    .delete(
      "/feeds",
      async ({ query }) => {
        const removed = await removeFeed(db, feedSchema.parse(query));
        if (!removed) throw new AppError("NOT_FOUND", "permanent", "Nobody has asked for this feed.");
        onChanged();
        return new Response(null, { status: 204 });
      },
      {
        query: removeQuery,
        detail: {
          summary: "Removes a feed that was asked for; who still needs it asks again",
          tags,
          responses: { 204: { description: "It is removed" }, 404: { description: "Nobody had asked for it" } },
        },
      },
    );
}
