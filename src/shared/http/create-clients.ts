import { z } from "zod";
import { columnTextsSchema } from "#shared/candles/column-text.ts";
import { candleSchema, candleSourceSchema, venueBarSchema, venueTradeSchema } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { fieldErrorSchema } from "#shared/errors/field-error.ts";
import type {
  DataCollectClient,
  MarketDataClient,
  MonitoringClient,
  OrderPositionTrackerClient,
  ServiceClients,
  StrategyExecutorClient,
} from "./clients.ts";
import { createJsonClient, type JsonClient, type ServicePlace } from "./json-client.ts";
import { pageSchema } from "./paging.ts";

/** Where the services are asked. */
export type ServicePlaces = Record<keyof ServiceClients, ServicePlace>;

/** A service in another process, by its base URL without a slash at the end. */
export function elsewhere(url: string): ServicePlace {
  return { baseUrl: () => url, send: (request) => fetch(request) };
}

/** Answers of strategy-executor's POST /strategies/validate, always 200. */
export const validationSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("valid").describe("What came of the check"),
    strategyVersion: z.string().describe("Its version"),
    params: z.record(z.string(), z.unknown()).describe("The parameters with their defaults"),
  }),
  z.object({
    kind: z.literal("unknown-strategy").describe("What came of the check"),
    known: z.array(z.string()).describe("Names of those there are"),
    faults: z.array(z.string()).describe("Files that could not be loaded, where it may stand"),
  }),
  z.object({
    kind: z.literal("invalid-params").describe("What came of the check"),
    errors: z.array(fieldErrorSchema).describe("The parameters that are wrong"),
  }),
]);

/** The answer of market-data's POST /series. */
export const seriesHeadSchema = z.object({
  instrumentId: z.string().describe("What it is of"),
  timeFrame: timeFrameSchema.describe("Length of its candles"),
  source: candleSourceSchema.describe("Whether it is built from trades, or taken from the venue as it makes bars"),
  firstN: z
    .number()
    .int()
    .describe(
      "Number of its first candle: 1, and less once it has grown at its beginning; 0 where headN is 0 too: it has none yet",
    ),
  headN: z.number().int().nonnegative().describe("Number of its newest closed candle; 0: it has none yet"),
  headOpenAtMs: z
    .number()
    .int()
    .nullable()
    .describe("When that one opened, UTC epoch milliseconds; null: there is none"),
});

/** The answer of order-position-tracker's GET /exposure?sessionId=. */
export const exposureSchema = z.object({
  openOrders: z.number().int().nonnegative().describe("How many of its orders are open"),
  positions: z.number().int().nonnegative().describe("How many of its positions an order could close"),
});

/** An item of order-position-tracker's GET /exposed. */
export const exposedSessionSchema = exposureSchema.extend({
  sessionId: z.string().describe("The session's id"),
  name: z.string().describe("Its name"),
  missing: z.array(z.string()).describe("Codes of what it runs without; docs/alerts.md has them all"),
});

/** What is read of monitoring's GET /services. */
const count = z.number().int();
const serviceStandingSchema = z.object({
  service: z.string(),
  ready: count,
  instances: z.array(
    z.object({ standing: z.string(), version: z.string(), ready: z.boolean(), waitsFor: z.array(z.string()) }),
  ),
  tasks: z.object({ open: count, oldestMs: z.number() }),
  lag: z.array(z.object({ events: count, waitedMs: z.number() })),
  dead: count,
});

const accountSchema = z.object({ id: z.string(), venue: z.string() });

/**
 * Makes the REST clients of the services. Each request has a deadline of `timeoutMs`; back-filling a series has ten
 * times that. A service that is down gives an AppError SERVICE_UNAVAILABLE (transient).
 */
export function createServiceClients(places: ServicePlaces, timeoutMs = 5_000): ServiceClients {
  const client = (service: string, place: ServicePlace, within = timeoutMs) =>
    createJsonClient({ service, place, timeoutMs: within });
  return {
    dataCollect: dataCollectOver(client("data-collect", places.dataCollect, timeoutMs * 3)),
    marketData: marketDataOver(
      client("market-data", places.marketData),
      client("market-data", places.marketData, timeoutMs * 10),
    ),
    strategyExecutor: strategyExecutorOver(client("strategy-executor", places.strategyExecutor)),
    orderPositionTracker: orderPositionTrackerOver(client("order-position-tracker", places.orderPositionTracker)),
    monitoring: monitoringOver(client("monitoring", places.monitoring)),
  };
}

function dataCollectOver(client: JsonClient): DataCollectClient {
  return {
    instruments: async (venue) =>
      itemsOf(await client.ask({ path: "/instruments", query: { venue }, answer: listOf(instrumentSchema) })),
    bars: async (query) =>
      itemsOf(await client.ask({ path: "/bars", query: { ...query }, answer: listOf(venueBarSchema) })),
    trades: async (query) =>
      itemsOf(await client.ask({ path: "/trades", query: { ...query }, answer: listOf(venueTradeSchema) })),
    async follow(body) {
      there(await client.ask({ method: "POST", path: "/feeds", body, answer: z.unknown() }), body.instrumentId);
    },
  };
}

function marketDataOver(client: JsonClient, patient: JsonClient): MarketDataClient {
  return {
    async instrument(id) {
      const page = await client.ask({
        path: "/instruments",
        query: { id },
        shared: true,
        answer: listOf(instrumentSchema),
      });
      return page?.items.find((instrument) => instrument.id === id) ?? null;
    },
    series: async (query) =>
      itemsOf(await client.ask({ path: "/series", query, shared: true, answer: listOf(seriesHeadSchema) }))[0] ?? null,
    ensureSeries: async (body) =>
      there(
        await patient.ask({ method: "POST", path: "/series", body, shared: true, answer: seriesHeadSchema }),
        body.instrumentId,
      ),
    candles: async (query) =>
      itemsOf(await client.ask({ path: "/candles", query: { ...query }, shared: true, answer: listOf(candleSchema) })),
    columns: async (query) =>
      there(
        await client.ask({ path: "/candles/columns", query: { ...query }, shared: true, answer: columnTextsSchema }),
        "/candles/columns",
      ),
  };
}

function strategyExecutorOver(client: JsonClient): StrategyExecutorClient {
  return {
    validate: async (body) =>
      there(
        await client.ask({ method: "POST", path: "/strategies/validate", body, answer: validationSchema }),
        "/strategies/validate",
      ),
  };
}

function orderPositionTrackerOver(client: JsonClient): OrderPositionTrackerClient {
  return {
    exposure: async (sessionId) =>
      there(await client.ask({ path: "/exposure", query: { sessionId }, answer: exposureSchema }), "/exposure"),
    exposed: async (cursor) =>
      there(
        await client.ask({
          path: "/exposed",
          query: { limit: 1_000, ...(cursor === null ? {} : { cursor }) },
          answer: pageSchema(exposedSessionSchema),
        }),
        "/exposed",
      ),
    // Whether there is one is known here: no venue is asked for it.
    account: (accountId) =>
      client.ask({
        path: `/accounts/${encodeURIComponent(accountId)}`,
        query: { atVenue: "false" },
        answer: accountSchema,
      }),
  };
}

function monitoringOver(client: JsonClient): MonitoringClient {
  return {
    services: async () =>
      itemsOf(await client.ask({ path: "/services", shared: true, answer: listOf(serviceStandingSchema) })),
  };
}

function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item) });
}

function itemsOf<Item>(page: { items: Item[] } | null): Item[] {
  return there(page, "the list").items;
}

function there<Answer>(answer: Answer | null, what: string): Answer {
  if (answer !== null) return answer;
  throw new AppError("NOT_FOUND", "permanent", `There is no ${what}.`, { details: { what } });
}
