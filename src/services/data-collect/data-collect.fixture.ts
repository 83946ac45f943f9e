import { pino } from "pino";
import type { Bus, EventOf } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { TestDatabase, TestRedis } from "#shared/db/test-database.ts";
import type { Quote, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Degradation } from "#shared/domain/degradation.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { SessionState } from "#shared/domain/session.ts";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { BarQuery, Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import type { AdvisoryLock } from "#shared/leader/leader.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { MARKET_BARS, MARKET_TRADES, SESSION_REPORTS } from "#shared/messages/topics.ts";
import type { FailpointContext } from "#shared/service/failpoints.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createDataCollect } from "./service.ts";
import { dataCollectSettings } from "./settings.ts";

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;

/** A bar of the venue with its number as its prices. */
export function barOf(timeFrame: TimeFrame, openAtMs: number, close: number): VenueBar {
  const price = String(close);
  const lengthMs = timeFrameMs(timeFrame);
  const prices = { open: price, high: price, low: price, close: price, volume: "1" };
  const chain = { prevOpenAtMs: null, receivedAtMs: 1 };
  return { instrumentId: spx.id, timeFrame, openAtMs, closeAtMs: openAtMs + lengthMs, ...prices, ...chain };
}

export function tradeOf(id: number): VenueTrade {
  const trade = { price: "10", size: "1", takerSide: "BUY", atMs: id, receivedAtMs: 1 } as const;
  return { instrumentId: spx.id, tradeId: String(id), ...trade };
}

interface Follower {
  timeFrame: TimeFrame | "trades" | "quotes";
  onBar: (bar: VenueBar) => void;
  onAlive: () => void;
  onTrades: (trades: VenueTrade[]) => void;
  onQuote: (quote: Quote) => void;
  onConnected: () => void;
}

/** What a stream does not tell of. */
const DEAF = {
  onBar: () => undefined,
  onAlive: () => undefined,
  onTrades: () => undefined,
  onQuote: () => undefined,
};

/** Best bid and ask, one below the price and one above it. */
export function quoteOf(price: number, receivedAtMs = price): Quote {
  const prices = { bid: String(price - 1), bidSize: "2", ask: String(price + 1), askSize: "3" };
  return { instrumentId: spx.id, ...prices, receivedAtMs };
}

/** A venue whose bars and connections a test moves by hand. */
export class FakeVenue implements VenueMarketData {
  readonly venue = "paper";
  readonly followers = new Set<Follower>();
  readonly #bars = new Map<TimeFrame, VenueBar[]>();
  #trades: VenueTrade[] = [];
  /** How many questions for bars still fail. */
  failures = 0;
  /** How many of the newest bars its list does not have yet. */
  hidden = 0;
  /** Questions for bars. */
  asked = 0;
  /** Whether it acknowledges subscriptions. */
  acknowledges = true;
  /** How often a stream of bars was followed. */
  followed = 0;
  /** The same of trades. */
  tradesFollowed = 0;
  /** Questions for trades. */
  tradesAsked = 0;

  /** The best prices that it tells when it is asked; null: it is away. */
  standing: Quote | null = null;
  /** How often a stream of quotes was followed. */
  quotesFollowed = 0;

  /** Closes a bar. `silent`: its frame is lost on the way. */
  close(bar?: VenueBar, { silent = false } = {}): Promise<void> {
    if (bar === undefined) return Promise.resolve();
    const bars = this.#bars.get(bar.timeFrame) ?? [];
    this.#bars.set(bar.timeFrame, [...bars, { ...bar, prevOpenAtMs: bars.at(-1)?.openAtMs ?? null }]);
    for (const one of silent ? [] : this.followers) {
      if (one.timeFrame !== bar.timeFrame) continue;
      one.onAlive();
      one.onBar({ ...bar, prevOpenAtMs: null });
    }
    return Promise.resolve();
  }

  trade(trade: VenueTrade, { silent = false } = {}): void {
    this.#trades = [...this.#trades, trade];
    if (!silent) for (const one of this.followers) if (one.timeFrame === "trades") one.onTrades([trade]);
  }

  quoteAt(quote: Quote, { silent = false } = {}): void {
    this.standing = quote;
    if (!silent) for (const one of this.followers) if (one.timeFrame === "quotes") one.onQuote(quote);
  }

  async quote(): Promise<Quote> {
    if (this.standing !== null) return this.standing;
    throw new AppError("VENUE_UNAVAILABLE", "transient", "The venue is away.");
  }

  async followQuotes(follow: Parameters<VenueMarketData["followQuotes"]>[0]): Promise<void> {
    this.quotesFollowed += 1;
    await this.#follow({ ...DEAF, ...follow, timeFrame: "quotes" }, follow.signal);
  }

  reconnect(): void {
    for (const one of this.followers) one.onConnected();
  }

  async instruments(): Promise<Instrument[]> {
    return [spx];
  }

  async bars(query: BarQuery): Promise<VenueBar[]> {
    this.asked += 1;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new AppError("VENUE_UNAVAILABLE", "transient", "The venue is away.");
    }
    const told = this.#bars.get(query.timeFrame) ?? [];
    const all = told.slice(0, told.length - this.hidden);
    const {
      afterMs,
      fromMs = afterMs === undefined ? undefined : afterMs + 1,
      toMs = Number.POSITIVE_INFINITY,
    } = query;
    if (fromMs === undefined) return all.filter(({ openAtMs }) => openAtMs < toMs).slice(-query.limit);
    return all.filter(({ openAtMs }) => openAtMs >= fromMs).slice(0, query.limit);
  }

  async trades(query: { fromId?: string; limit: number }): Promise<VenueTrade[]> {
    const { fromId } = query;
    this.tradesAsked += 1;
    if (fromId === undefined) return this.#trades.slice(-query.limit);
    return this.#trades.filter(({ tradeId }) => Number(tradeId) >= Number(fromId)).slice(0, query.limit);
  }

  async followBars(follow: Parameters<VenueMarketData["followBars"]>[0]): Promise<void> {
    this.followed += 1;
    await this.#follow({ ...DEAF, ...follow }, follow.signal);
  }

  async followTrades(follow: Parameters<VenueMarketData["followTrades"]>[0]): Promise<void> {
    this.tradesFollowed += 1;
    await this.#follow({ ...DEAF, ...follow, timeFrame: "trades" }, follow.signal);
  }

  async #follow(follower: Follower, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.followers.add(follower);
    if (this.acknowledges) follower.onConnected();
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve());
    await promise;
    this.followers.delete(follower);
  }
}

/** A lock that anyone has: the rows alone decide. */
const FREE: AdvisoryLock = {
  acquire: async () => true,
  extend: async () => undefined,
  release: async () => undefined,
  close: async () => undefined,
};

/** One process with the service: real bus, real database, a venue moved by hand. */
export interface Replica {
  service: Service;
  bus: Bus;
  hits: FailpointContext[];
  ask: (path: string, body?: unknown) => Promise<Response>;
  stop(): Promise<void>;
}

/** The venue's connector, as the settings would make it. */
function exchangesOf(venue: FakeVenue): Exchanges {
  return {
    venues: ["paper"],
    marketData: () => venue,
    accounts: [],
    account: () => {
      throw new AppError("NOT_FOUND", "permanent", "There is no account.");
    },
    live: false,
    marketNowMs: () => null,
    listLagMs: () => 0,
    bannedUntilMs: () => null,
    orderBanUntilMs: () => null,
    orderBanAddresses: () => [],
    close: async () => undefined,
  };
}

/** Starts the service at a venue that is moved by hand, or with the connectors that are given. */
export async function startReplica(
  database: TestDatabase,
  redis: TestRedis,
  venue: FakeVenue | Exchanges,
  { settings = {}, clock = systemClock }: { settings?: Record<string, string>; clock?: Clock } = {},
): Promise<Replica> {
  const { db } = database;
  const log = pino({ level: "silent" });
  const instance = crypto.randomUUID();
  const leader = createLeader({ db, lock: FREE, clock: systemClock, log, leaseMs: 1_500, holder: instance });
  const logStore = createPostgresLogStore(db);
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation });
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance, partitions: 2 });
  const hits: FailpointContext[] = [];
  const exchanges = venue instanceof FakeVenue ? exchangesOf(venue) : venue;
  const failpoints: Deps["failpoints"] = { hit: (_point, context) => void hits.push(context) };
  const ports = { db, bus, leader, exchanges, clock, log, failpoints };
  const service = createDataCollect(
    ports as Deps,
    dataCollectSettings.parse({ R3_DATA_COLLECT_REPEAT_MS: 100, ...settings }),
  );
  await service.start(new AbortController().signal);
  return {
    service,
    bus,
    hits,
    async ask(path, body) {
      const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
      const request = new Request(`http://localhost/api/data-collect${path}`, body === undefined ? {} : init);
      return (await service.routes?.handle(request)) ?? new Response(null, { status: 500 });
    },
    async stop() {
      await service.stop();
      await bus.close();
      await leader.close();
    },
  };
}

/** Collects what is published. */
export async function listen(bus: Bus): Promise<{ bars: VenueBar[]; trades: VenueTrade[] }> {
  const heard = { bars: [] as VenueBar[], trades: [] as VenueTrade[] };
  const bars = bus.tail({
    topic: MARKET_BARS,
    from: "now",
    handle: (events) => void heard.bars.push(...events.map(({ data }) => data)),
  });
  const trades = bus.tail({
    topic: MARKET_TRADES,
    from: "now",
    handle: (events) => void heard.trades.push(...events.map(({ data }) => data)),
  });
  const tails = [bars, trades];
  await Promise.all(tails.map(({ ready }) => ready));
  return heard;
}

/** Writes a session as session-manager does, as far as data-collect reads it. */
export async function putSession(
  database: TestDatabase,
  state: SessionState,
  timeFrame: TimeFrame,
  { instrumentId = spx.id, degraded = [] }: { instrumentId?: string; degraded?: readonly Degradation[] } = {},
): Promise<void> {
  const { sql } = database.db;
  const session = { instrumentIds: [instrumentId], timeFrame, degraded };
  await sql`
    insert into reference.sessions
      (id, code, state, run, version, partition, account_id, session, created_at_ms, updated_at_ms)
    values ('s', 'c', ${state}, 1, 1, 0, 'a', ${sql.json(session as never)}, 1, 1)
    on conflict (id) do update set state = excluded.state, session = excluded.session`;
}

/** Keeps the session's row as session-manager does with what is reported. Gives the codes of what it runs without, as they stand. */
export async function keepReports(database: TestDatabase, bus: Bus, instrumentId: string): Promise<() => string[]> {
  let degraded: Degradation[] = [];
  const handle = async (events: readonly EventOf<typeof SESSION_REPORTS>[]): Promise<void> => {
    for (const { type, data } of events) {
      if (type !== "report.degraded" && type !== "report.restored") continue;
      degraded = degraded.filter(({ code }) => code !== data.code);
      if (type === "report.degraded") degraded.push({ code: data.code, sinceMs: data.sinceMs, text: data.text });
    }
    await putSession(database, "RUNNING", "1s", { instrumentId, degraded });
  };
  await putSession(database, "RUNNING", "1s", { instrumentId });
  await bus.tail({ topic: SESSION_REPORTS, from: "now", handle }).ready;
  return () => degraded.map(({ code }) => code);
}
