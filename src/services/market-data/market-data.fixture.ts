import { pino } from "pino";
import type { Bus, EventOf } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import type { Cache } from "#shared/cache/cache.ts";
import { MOST_A_PAGE } from "#shared/candles/limits.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { TestDatabase, TestRedis } from "#shared/db/test-database.ts";
import type { Candle, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { DataCollectClient, SeriesHead } from "#shared/http/clients.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import type { AdvisoryLock } from "#shared/leader/leader.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_BARS, MARKET_CANDLES, MARKET_TRADES } from "#shared/messages/topics.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { FailpointContext } from "#shared/service/failpoints.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createMarketData } from "./service.ts";
import { marketDataSettings } from "./settings.ts";

export const MINUTE_MS = 60_000;

/** The venue as data-collect tells of it, and what data-collect would publish. */
export class FakeVenue implements DataCollectClient {
  bars_: VenueBar[] = [];
  trades_: VenueTrade[] = [];
  known: Instrument[] = [spx];
  readonly followed: string[] = [];
  asked = 0;
  /** How many questions still fail. */
  failures = 0;

  #ask(): void {
    this.asked += 1;
    if (this.failures === 0) return;
    this.failures -= 1;
    throw new AppError("SERVICE_UNAVAILABLE", "transient", "data-collect is away.");
  }

  /** Closes the minute number `minute` at this price and gives its bar. */
  bar(minute: number, close: string): VenueBar {
    const openAtMs = minute * MINUTE_MS;
    const prices = { open: "10", high: "12.5", low: "9.5", close, volume: "3.25" };
    const chain = { prevOpenAtMs: this.bars_.at(-1)?.openAtMs ?? null, receivedAtMs: 1.5 };
    const times = { openAtMs, closeAtMs: openAtMs + MINUTE_MS };
    const bar: VenueBar = { instrumentId: spx.id, timeFrame: "1m", ...times, ...prices, ...chain };
    this.bars_ = [...this.bars_, bar];
    return bar;
  }

  trade(atMs: number, price: string, receivedAtMs = 1): VenueTrade {
    const tradeId = String(Number(this.trades_.at(-1)?.tradeId ?? "0") + 1);
    const trade = { tradeId, price, size: "0.5", takerSide: "BUY", atMs, receivedAtMs } as const;
    this.trades_ = [...this.trades_, { instrumentId: spx.id, ...trade }];
    return { instrumentId: spx.id, ...trade };
  }

  async instruments(): Promise<Instrument[]> {
    this.#ask();
    return this.known;
  }

  async bars(query: { timeFrame: TimeFrame; fromMs?: number; toMs?: number; limit: number }): Promise<VenueBar[]> {
    this.#ask();
    if (query.limit > MOST_A_PAGE) throw new AppError("INVALID_INPUT", "permanent", "The limit is too high.");
    const { fromMs, toMs = Number.POSITIVE_INFINITY } = query;
    const all = this.bars_.filter(({ timeFrame }) => timeFrame === query.timeFrame);
    if (fromMs === undefined) return all.filter(({ openAtMs }) => openAtMs < toMs).slice(-query.limit);
    return all.filter(({ openAtMs }) => openAtMs >= fromMs).slice(0, query.limit);
  }

  async trades(query: { fromId?: string; limit: number }): Promise<VenueTrade[]> {
    this.#ask();
    const from = Number(query.fromId ?? "0");
    return this.trades_.filter(({ tradeId }) => Number(tradeId) >= from).slice(0, query.limit);
  }

  async follow(feed: Parameters<DataCollectClient["follow"]>[0]): Promise<void> {
    this.followed.push(feed.kind);
  }
}

/** A lock that anyone has: the rows alone decide. */
const FREE: AdvisoryLock = {
  acquire: async () => true,
  extend: async () => undefined,
  release: async () => undefined,
  close: async () => undefined,
};
/** A cache may forget anything at any time. */
const FORGETFUL: Cache = {
  get: async () => null,
  set: async () => undefined,
  delete: async () => undefined,
  close: async () => undefined,
};

/** One process with the service: real bus and database; data-collect is the fake. */
export interface Replica {
  bus: Bus;
  hits: FailpointContext[];
  /** The lines that it has logged. */
  logged: string[];
  /** What the failpoint does besides being noted. */
  onStored: { run: (n: number) => void };
  ask: (path: string, body?: unknown) => Promise<Response>;
  routes: (request: Request) => Promise<Response>;
  service: Service;
  ensure: (more?: Record<string, unknown>) => Promise<SeriesHead>;
  candles: (query: string) => Promise<Candle[]>;
  stop: () => Promise<void>;
}

export interface ReplicaOptions {
  database: TestDatabase;
  redis: TestRedis;
  venue: FakeVenue;
  cache?: Cache;
  settings?: Record<string, string>;
}

export async function startReplica({
  database,
  redis,
  venue,
  cache = FORGETFUL,
  settings = {},
}: ReplicaOptions): Promise<Replica> {
  const { db } = database;
  const logged: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void logged.push(line) });
  const instance = crypto.randomUUID();
  const common = { db, clock: systemClock, log };
  const leader = createLeader({ ...common, lock: FREE, leaseMs: 1_500, holder: instance });
  const logStore = createPostgresLogStore(db);
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation });
  const bus = createBus({ ...common, logStore, broker, leader, instance, partitions: 2 });
  const wakeups = createBullmqWakeups({ url: redis.url, prefix: redis.prefix });
  const queue = createTaskQueue({ ...common, wakeups, leaseMs: 600, sweepMs: 100 });
  const hits: FailpointContext[] = [];
  const onStored = { run: (_n: number): void => undefined };
  const failpoints: Deps["failpoints"] = {
    hit(_point, context) {
      hits.push(context);
      onStored.run(context.bar ?? 0);
    },
  };
  const ports = { db, bus, queue, leader, cache, clients: { dataCollect: venue }, exchanges: { venues: ["paper"] } };
  const deps = { ...ports, clock: systemClock, log, failpoints } as unknown as Deps;
  const service: Service = createMarketData(
    deps,
    marketDataSettings.parse({ R3_MARKET_DATA_REPEAT_MS: 100, ...settings }),
  );
  await service.start(new AbortController().signal);
  const routes: Replica["routes"] = async (request) =>
    (await service.routes?.handle(request)) ?? new Response(null, { status: 500 });
  const ask: Replica["ask"] = async (path, body) => {
    const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const request = new Request(`http://localhost/api/market-data${path}`, body === undefined ? {} : init);
    return await routes(request);
  };
  return {
    bus,
    hits,
    logged,
    onStored,
    ask,
    routes,
    service,
    async ensure(more = {}) {
      const wanted = { instrumentId: spx.id, timeFrame: "1m", source: "bars", history: 0, ...more };
      const answer = await ask("/series", wanted);
      if (!answer.ok) throw new Error(await answer.text());
      return (await answer.json()) as SeriesHead;
    },
    async candles(query) {
      const answer = await ask(`/candles?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m&${query}`);
      return ((await answer.json()) as { items: Candle[] }).items;
    },
    async stop() {
      await service.stop();
      await queue.close();
      await bus.close();
      await leader.close();
    },
  };
}

/** Collects the candles that are published. */
export async function listen(bus: Bus): Promise<Candle[]> {
  const heard: Candle[] = [];
  const handle = (events: readonly EventOf<typeof MARKET_CANDLES>[]) =>
    void heard.push(...events.map(({ data }) => data));
  await bus.tail({ topic: MARKET_CANDLES, from: "now", handle }).ready;
  return heard;
}

export async function showBars(bus: Bus, ...bars: VenueBar[]): Promise<void> {
  await bus.publishVolatile(bars.map((bar) => event(MARKET_BARS, bar.instrumentId, "market.bar", bar)));
}

export async function showTrades(bus: Bus, ...trades: VenueTrade[]): Promise<void> {
  await bus.publishVolatile(trades.map((trade) => event(MARKET_TRADES, trade.instrumentId, "market.trade", trade)));
}
