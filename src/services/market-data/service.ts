import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { MARKET_CANDLES, MARKET_QUOTES } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createBackfillRoutes } from "./backfill/backfill-routes.ts";
import { RUN_BACKFILL } from "./backfill/messages.ts";
import { takeBackfill, workBackfill } from "./backfill/work.ts";
import { createColumnRoutes } from "./candles/column-routes.ts";
import { type Components, createComponents } from "./components.ts";
import { createCsvRoutes } from "./files/csv-routes.ts";
import { createParquetRoutes } from "./files/parquet-routes.ts";
import { keepEvents, repeatHeads, SOURCE_TOPICS } from "./keep-events.ts";
import { createRepairRoutes } from "./reports/repair-routes.ts";
import { createReportRoutes } from "./reports/report-routes.ts";
import { createRoutes } from "./routes.ts";
import type { MarketDataSettings } from "./settings.ts";
import type { MarketStream } from "./stream/market-stream.ts";
import { createStreamRoutes } from "./stream/stream-routes.ts";

/** How long to wait before a venue whose instruments could not be read is asked again. */
const INSTRUMENTS_AGAIN_MS = 5_000;

/** How often it is looked whether the quotes that are followed still stand. */
const EXPIRE_QUOTES_MS = 1_000;

/** Every replica answers for every instrument, and streams every series. */
function followAll(bus: Deps["bus"], stream: MarketStream): Running[] {
  return [
    bus.tail({
      topic: MARKET_QUOTES,
      from: "now",
      handle(events) {
        for (const { data } of events) stream.noteQuote(data);
      },
    }),
    bus.tail({
      topic: MARKET_CANDLES,
      from: "now",
      handle(events) {
        for (const { data } of events) stream.noteCandle(data);
      },
    }),
  ];
}

/** Works again and again, with a pause in between, until the service stops. */
async function every(
  pauseMs: number,
  { clock, signal }: { clock: Deps["clock"]; signal: AbortSignal },
  work: () => Promise<void> | void,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await clock.sleep(pauseMs, signal);
  }
}

function routesOf(deps: Deps, components: Components) {
  const { bus, clients, clock, log } = deps;
  const files = { log, ...components, clock, partitionOf: (id: string) => bus.partitionOf(id) };
  return new Elysia()
    .use(createRoutes({ log, ...components }))
    .use(createColumnRoutes(deps))
    .use(createCsvRoutes(files))
    .use(createParquetRoutes(files))
    .use(createStreamRoutes({ log, ...components }))
    .use(createReportRoutes({ ...deps, ...components, dataCollect: clients.dataCollect }))
    .use(createRepairRoutes({ log, ...components }))
    .use(createBackfillRoutes({ deps, store: components.store }))
    .use(createDeadRoutes("market-data", deps));
}

/** Back-fills are tasks: a lane each, leased by one worker at a time. */
function workBackfills(
  deps: Deps,
  settings: MarketDataSettings,
  { store, kept }: Components,
  stopping: AbortSignal,
): Running {
  const { dataCollect } = deps.clients;
  const place = { deps, store, kept, dataCollect, tries: settings.R3_MARKET_DATA_BACKFILL_TRIES, stopping };
  return deps.queue.work({
    queue: RUN_BACKFILL.queue,
    tasks: [RUN_BACKFILL],
    concurrency: settings.R3_MARKET_DATA_BACKFILL_CONCURRENCY,
    mode: "lease",
    first: takeBackfill,
    handle: async (lane, task, taken) => {
      if (taken !== null) await workBackfill(place, { lane, task, taken });
    },
  });
}

/** Keeps the candles of every series, and tells of them. */
export function createMarketData(deps: Deps, settings: MarketDataSettings): Service {
  const log = deps.log;
  const components = createComponents(deps, settings, log);
  const owned = new Set<number>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const background: Promise<void>[] = [];
  const running: Running[] = [];
  let isReady = false;

  /** What another owner has stored meanwhile is not known here. */
  function forget(partition: number): void {
    for (const id of [...components.kept.instrumentIds, ...components.trades.instrumentIds]) {
      if (deps.bus.partitionOf(id) !== partition) continue;
      components.kept.forget(id);
      components.trades.forget(id);
    }
  }

  async function refresh(venue: string): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = settings.R3_MARKET_DATA_INSTRUMENTS_AGE_MS;
      await components.instruments.refresh(venue).catch((error: unknown) => {
        pauseMs = INSTRUMENTS_AGAIN_MS;
        log.warn({ venue, reason: messageOf(error) }, "instruments not refreshed, trying again");
      });
      await deps.clock.sleep(pauseMs, signal);
    }
  }

  return {
    async start() {
      const subscription = deps.bus.subscribe({
        group: "market-data",
        topics: SOURCE_TOPICS,
        handleVolatile: (events) => keepEvents(components, log, events),
        onAcquired: async ({ partition }) => {
          forget(partition);
          owned.add(partition);
        },
        onReleased: async ({ partition }) => {
          owned.delete(partition);
          forget(partition);
        },
      });
      const backfills = workBackfills(deps, settings, components, signal);
      running.push(subscription, ...followAll(deps.bus, components.stream), backfills);
      await Promise.all(running.map(({ ready }) => ready));
      const until = { clock: deps.clock, signal };
      background.push(
        every(settings.R3_MARKET_DATA_REPEAT_MS, until, () => repeatHeads(components, log, [...owned])),
        every(EXPIRE_QUOTES_MS, until, () => components.stream.expireQuotes()),
        ...deps.exchanges.venues.map(refresh),
      );
      components.sockets.begin();
      isReady = true;
    },
    async stop() {
      stopping.abort();
      components.sockets.end();
      await Promise.all(background);
      for (const each of running.toReversed()) await each.close();
      await components.teller.close();
    },
    notReady: () => (isReady ? [] : ["the bus"]),
    routes: routesOf(deps, components),
  };
}
