import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import { type Bans, createBans } from "#shared/exchange/bans.ts";
import { createBinanceExchanges } from "#shared/exchange/binance-exchanges.ts";
import type { Exchanges, VenueAccount } from "#shared/exchange/exchange.ts";
import { createPostgresBanStore } from "#shared/exchange/postgres-bans.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import type { FailpointContext } from "#shared/service/failpoints.ts";
import type { Deps } from "#shared/service/service.ts";
import { createOrderPositionTracker } from "./service.ts";
import { orderPositionTrackerSettings } from "./settings.ts";
import { DEPOSIT, KEYS, startVenueProcess, type VenueProcess } from "./venue-process.fixture.ts";
import { startVenueProxy, type VenueProxy } from "./venue-proxy.fixture.ts";

const log = pino({ level: "silent" });
const LEASE_MS = 600;

/** Short windows, so that a test need not wait for them; quick questions, slow timers. */
const SETTINGS = {
  R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS: "400",
  R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: "50",
  R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: "20",
  R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS: "3600000",
  R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: "3600000",
};

/** What all tests of a file share: servers, and a venue with a market for each test. */
export interface World {
  database: TestDatabase;
  redis: TestRedis;
  venue: VenueProcess;
  /** The next market that no test has used. */
  take(): string;
  close(): Promise<void>;
}

export async function createWorld(markets: number): Promise<World> {
  const ids = Array.from({ length: markets }, (_, index) => `m${index + 1}`);
  const [database, venue] = await Promise.all([createTestDatabase(), startVenueProcess(ids)]);
  const redis = testRedis();
  return {
    database,
    redis,
    venue,
    take() {
      const id = ids.shift();
      if (id === undefined) throw new Error("The venue has no more markets.");
      return id;
    },
    async close() {
      await venue.stop();
      await redis.cleanup();
      await database.drop();
    },
  };
}

/** How one tracker differs from the others. */
export interface TrackerOptions {
  settings?: Record<string, string>;
  /** Called at each failpoint; what it throws ends what the tracker is doing there. */
  failpoint?: (point: string, context: FailpointContext) => void;
  /** Changes the connector that this tracker uses. */
  account?: (account: VenueAccount) => VenueAccount;
  /** The venue's market clock; null (the default): a replay. */
  marketNowMs?: number | null;
  /** What the settings say of the venue's lists; default: they do not lag. */
  listLagMs?: number;
}

/** A tracker at work. */
export interface Tracker {
  /** Asks its REST. */
  ask(path: string, method?: "GET" | "POST", body?: object): Promise<{ status: number; body: Record<string, unknown> }>;
  stop(): Promise<void>;
}

/** One market of the venue with those who trade on it. */
export interface Desk {
  marketId: string;
  instrument: Instrument;
  proxy: VenueProxy;
  /** The same account past the proxy: the witness, and whoever else has its key. */
  outside: VenueAccount;
  bus: Bus;
  queue: TaskQueue;
  /** What market-data would answer. */
  candles: Candle[];
  /** How many starts of sessions have asked market-data for the series of this market. */
  readonly seriesAsked: number;
  tick(price: string): Promise<void>;
  /** Sets the faults of the market in place of those before. */
  misbehave(...faults: object[]): Promise<void>;
  /** Starts a tracker, as a process of its own would be. */
  startTracker(options?: TrackerOptions): Promise<Tracker>;
  close(): Promise<void>;
}

async function portsOf({ database, redis }: World) {
  const { db } = database;
  const incarnation = await createPostgresLogStore(db).incarnation();
  const leader = createLeader({
    db,
    lock: createRedlockLock(redis),
    clock: systemClock,
    log,
    leaseMs: LEASE_MS,
    retryMs: 20,
  });
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation, blockMs: 100 });
  const instance = crypto.randomUUID();
  const bus = createBus({
    db,
    logStore: createPostgresLogStore(db),
    broker,
    leader,
    clock: systemClock,
    log,
    instance,
  });
  const wakeups = createBullmqWakeups(redis);
  const queue = createTaskQueue({ db, wakeups, clock: systemClock, log, leaseMs: LEASE_MS, sweepMs: 50 });
  const close = async () => {
    await queue.close();
    await bus.close();
    await leader.close();
  };
  return { db, leader, bus, queue, close };
}

function connectorOf(
  marketId: string,
  urls: { restUrl: string; wsApiUrl?: string },
  { listLagMs = 0, bans }: { listLagMs?: number; bans?: Bans } = {},
): Exchanges {
  return createBinanceExchanges({
    venues: [{ id: marketId, connector: "binance", listLagMs, ...urls }],
    accounts: [{ id: marketId, venue: marketId, ...KEYS }],
    clock: systemClock,
    log,
    ...(bans === undefined ? {} : { bans }),
  });
}

function askerOf(routes: ReturnType<typeof createOrderPositionTracker>["routes"]): Tracker["ask"] {
  return async (path, method = "GET", body) => {
    const sent =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const request = new Request(`http://localhost/api/order-position-tracker${path}`, { method, ...sent });
    const answer = await routes?.handle(request);
    return { status: answer?.status ?? 0, body: ((await answer?.json()) ?? {}) as Record<string, unknown> };
  };
}

/** What market-data answers, and how many starts of sessions at this market have asked it. */
function marketDataOf(instrument: Instrument, candles: readonly Candle[]) {
  const told = { firstN: 1, headN: 0, headOpenAtMs: null };
  const counted = {
    seriesAsked: 0,
    client: {
      series: async (query: object) => ({ ...query, ...told }),
      ensureSeries: async (query: { instrumentId: string }) => {
        // Sessions of other desks ask here too.
        if (query.instrumentId === instrument.id) counted.seriesAsked += 1;
        return { ...query, ...told };
      },
      candles: async ({ fromN, limit }: { fromN: number; limit: number }) =>
        candles.slice(fromN - 1, fromN - 1 + limit),
    },
  };
  return counted;
}

/** Opens a market of the venue with a proxy before it, and stores its instrument as market-data does. */
export async function openDesk(world: World): Promise<Desk> {
  const marketId = world.take();
  const proxy = await startVenueProxy(world.venue.url(marketId));
  const direct = connectorOf(marketId, { restUrl: world.venue.url(marketId) });
  const [instrument] = await direct.marketData(marketId).instruments();
  if (instrument === undefined) throw new Error("The market has no instrument.");
  await putInstrument(world.database.db.sql, instrument);
  const own = await portsOf(world);
  const candles: Candle[] = [];
  const closers: (() => Promise<void>)[] = [];
  const marketData = marketDataOf(instrument, candles);
  return {
    marketId,
    instrument,
    proxy,
    outside: direct.account(marketId),
    bus: own.bus,
    queue: own.queue,
    candles,
    get seriesAsked() {
      return marketData.seriesAsked;
    },
    tick: (price) => world.venue.tick(marketId, price),
    misbehave: (...faults) => world.venue.misbehave(marketId, faults),
    async startTracker({
      settings = {},
      failpoint,
      account = (given: VenueAccount) => given,
      marketNowMs = null,
      listLagMs = 0,
    } = {}) {
      const ports = await portsOf(world);
      const bans = createBans({ store: createPostgresBanStore(world.database.db), clock: systemClock, log });
      const exchanges = connectorOf(marketId, proxy, { listLagMs, bans });
      const failpoints = failpoint === undefined ? noFailpoints : { hit: failpoint };
      const changed: Exchanges = {
        ...exchanges,
        account: (id) => account(exchanges.account(id)),
        marketNowMs: () => marketNowMs,
      };
      const deps = {
        ...ports,
        exchanges: changed,
        clients: { marketData: marketData.client },
        clock: systemClock,
        log,
        failpoints,
      };
      const values = orderPositionTrackerSettings.parse({ ...SETTINGS, ...settings });
      const service = createOrderPositionTracker(deps as unknown as Deps, values);
      let stopping: Promise<void> | undefined;
      const stop = () =>
        (stopping ??= (async () => {
          await service.stop();
          await ports.close();
          await exchanges.close();
        })());
      closers.push(stop);
      await service.start(new AbortController().signal);
      return { ask: askerOf(service.routes), stop };
    },
    async close() {
      for (const close of closers.toReversed()) await close();
      await own.close();
      await direct.close();
      await proxy.stop();
    },
  };
}

/** Gives each test of a file a desk of its own in one world, its market at 100. So many tests may ask. */
export function useDesks(tests: number, take: (given: { world: World; desk: Desk }) => void): void {
  let world: World;
  let desk: Desk;
  beforeAll(async () => {
    world = await createWorld(tests);
  });
  beforeEach(async () => {
    desk = await openDesk(world);
    await desk.tick("100");
    take({ world, desk });
  });
  afterEach(async () => {
    await desk.close();
  });
  afterAll(async () => {
    await world.close();
  });
}

/** A session at a desk's market, not yet reconciled. */
export function deskSession(desk: Desk, more: Partial<Session> = {}): Session {
  const { id } = sessionOf();
  const limits = {
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
    degradedEntries: "deny-stale" as const,
  };
  return sessionOf({
    id,
    instrumentIds: [desk.instrument.id],
    accountId: desk.marketId,
    capital: DEPOSIT,
    riskPolicy: { sizing: { method: "fixed-size", size: "1" }, ...limits },
    state: "STARTING",
    partition: desk.bus.partitionOf(id),
    ...more,
  });
}

/** Writes a session and tells of it, as session-manager does. */
export async function tellSession({ database: { db } }: World, { bus }: Desk, session: Session): Promise<void> {
  await db.transaction(async (tx) => {
    await putSession(tx.sql, session);
    bus.publish(tx, [event(SESSIONS, session.id, "session.changed", { from: null, session })]);
  });
}
