import { pino } from "pino";
import type { Bus, BusEvent, OutgoingEvent, OwnedUnit, SubscribeOptions, TailOptions } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { readSessions } from "#shared/db/reference-rows.ts";
import type { TestDatabase } from "#shared/db/test-database.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { AT_WORK, type Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { MarketDataClient } from "#shared/http/clients.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import type { AdvisoryLock, Leader, Leadership } from "#shared/leader/leader.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { SESSIONS } from "#shared/messages/topics.ts";
import type { Wakeups } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { FailpointContext } from "#shared/service/failpoints.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { createInlineHost } from "#shared/strategy-threads/inline-host.fixture.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import { createStrategyExecutor } from "./service.ts";
import { settings } from "./settings.ts";
import { beginRun } from "./store.ts";

export const PARTITION = 3;
export const ROLE = `unit:strategy-executor:${PARTITION}`;

/** One process with the service: its bus is moved by hand, all else is real. */
export interface Replica {
  service: Service;
  deps: Deps;
  unit: OwnedUnit;
  /** Delivers durable events as one batch in one transaction. */
  deliver(events: readonly Pick<BusEvent, "topic" | "type" | "key" | "data">[]): Promise<void>;
  /** Shows candles as the tail does. */
  show(...candles: Candle[]): void;
  /** Dies: nothing of it goes on, its lease ends at once. */
  kill(): Promise<void>;
}

/** What all replicas of a test share. */
export interface World {
  database: TestDatabase;
  candles: Candle[];
  /** Events that were committed. */
  published: OutgoingEvent[];
  /** Transactions of all replicas whose work is done and that commit. */
  committing: Set<Promise<void>>;
  /** Called in the executor's open transaction; what it throws ends the transaction. */
  failpoint: (context: FailpointContext) => void;
  /** How often market-data still fails. */
  failures: number;
  /** What market-data refuses every series with. */
  refusal?: AppError;
  /** Called when market-data is asked for candles. */
  asked?: () => void;
  strategies: StrategyDefinition[];
  /** Where they run, instead of in the test's own thread. */
  host?: StrategyHost;
  clock?: Clock;
  /** Ids of sessions whose first event could not be handled yet: no run of theirs has begun. */
  held?: ReadonlySet<string>;
}

/** A world in which nothing has happened. */
export function worldOf(database: TestDatabase, strategies: StrategyDefinition[]): World {
  return {
    database,
    strategies,
    candles: [],
    published: [],
    committing: new Set(),
    failpoint: () => undefined,
    failures: 0,
  };
}

const nothing = async () => undefined;
/** A lock that anyone has: the rows alone decide. */
const FREE: AdvisoryLock = { acquire: async () => true, extend: nothing, release: nothing, close: nothing };
/** No one works the tasks: tests read them. */
const NO_WORKERS: Wakeups = {
  wake: () => undefined,
  listen: () => ({ ready: Promise.resolve(), close: nothing }),
  reset: nothing,
  ping: nothing,
  close: nothing,
};

/** A candle of the demo's instrument that opened where the one before closed. */
export function candleOf(n: number, close: string, more: Partial<Candle> = {}): Candle {
  const series = { instrumentId: spx.id, timeFrame: "1m", source: "bars" } as const;
  const prices = { open: close, high: close, low: close, close, volume: "1" };
  return {
    ...series,
    n,
    closed: true,
    openAtMs: (n - 1) * 60_000,
    closeAtMs: n * 60_000,
    ...prices,
    receivedAtMs: 5,
    ...more,
  };
}

/** A session of the shard of these tests. */
export function shardSession(more: Partial<Session> = {}): Session {
  return sessionOf({ partition: PARTITION, ...more });
}

/** The event of a session's change. */
export function sessionChanged(session: Session) {
  return { topic: SESSIONS.name, type: "session.changed", key: session.id, data: { from: null, session } };
}

export function signalsOf(world: World, sessionId: string): Signal[] {
  const own = world.published.filter(({ type, key }) => type === "signal.created" && key === sessionId);
  return own.map(({ data }) => data as Signal);
}

/** The row of a run. */
export async function runRow(world: Pick<World, "database">, sessionId: string) {
  const rows = await world.database.db.sql<
    {
      phase: string;
      run: number;
      candle_n: number;
      candle_close_at_ms: number;
      runtime: { strategy: unknown };
      fault: string | null;
    }[]
  >`select * from strategy_executor.runs where session_id = ${sessionId}`;
  return rows[0] ?? null;
}

/** Waits until a run's row has come to a candle. What was published with it may not be told yet. */
export const untilStored = (world: Pick<World, "database">, sessionId: string, n: number) =>
  until(async () => (await runRow(world, sessionId))?.candle_n === n);

/** The same, and until no process commits: what was published with it is told, since each hears of its commit after others can see it. */
export async function untilCandle(world: World, sessionId: string, n: number): Promise<void> {
  await untilStored(world, sessionId, n);
  await Promise.all(world.committing);
}

/** Starts a replica that owns the partition, with a new epoch. */
export async function startReplica(world: World): Promise<Replica> {
  const db = watched(world);
  const log = pino({ level: "silent" });
  const clock = world.clock ?? systemClock;
  const leader = createLeader({ db, lock: FREE, clock: systemClock, log, leaseMs: 30_000 });
  const queue = createTaskQueue({ db, wakeups: NO_WORKERS, clock: systemClock, log });
  let subscribed: SubscribeOptions | undefined;
  let tailed: TailOptions | undefined;
  const quiet = { ready: Promise.resolve(), close: async () => undefined };
  const bus = {
    partitions: 8,
    publish: (tx, events) => tx.afterCommit(() => world.published.push(...events)),
    subscribe: (options) => {
      subscribed = options;
      return quiet;
    },
    tail: (options) => {
      tailed = options;
      return quiet;
    },
  } as Bus;
  const failpoints = { hit: (_point: string, context: FailpointContext) => world.failpoint(context) };
  const clients = { marketData: marketDataOf(world) };
  const strategies = world.host ?? createInlineHost(world.strategies);
  const deps = { db, bus, queue, leader, clients, strategies, clock, log, failpoints } as unknown as Deps;
  const values = settings.parse({ R3_STRATEGY_EXECUTOR_RETRY_MS: "5" });
  const service = createStrategyExecutor(deps, values);
  await service.start(new AbortController().signal);
  const leadership = await takeOver(leader);
  const lost = new AbortController();
  const unit = {
    group: "strategy-executor",
    partition: PARTITION,
    role: ROLE,
    epoch: leadership.epoch,
    signal: lost.signal,
  };
  await beginRuns(world);
  await subscribed?.onAcquired?.(unit);
  return {
    service,
    deps,
    unit,
    async deliver(events) {
      const batch = events.map((event) => ({ ...event, seq: 0, partition: PARTITION }) as unknown as BusEvent);
      await db.transaction(async (tx) => subscribed?.handle?.(tx, batch, unit));
    },
    show(...candles) {
      const wanted = tailed?.keys?.() ?? new Set();
      const events = candles
        .filter(({ instrumentId }) => wanted.has(instrumentId))
        .map((data) => ({ data }) as BusEvent);
      void tailed?.handle(events);
    },
    async kill() {
      lost.abort();
      await service.stop();
      await leadership.release();
      await leader.close();
      await queue.close();
    },
  };
}

/** The database, of which the world knows the transactions that commit. */
function watched({ database: { db }, committing }: World): Db {
  return {
    ...db,
    async transaction(body, options) {
      const ended = Promise.withResolvers<void>();
      const watchedBody = async (tx: Tx) => {
        const value = await body(tx);
        committing.add(ended.promise);
        return value;
      };
      return db.transaction(watchedBody, options).finally(() => {
        committing.delete(ended.promise);
        ended.resolve();
      });
    },
  };
}

/** What the events of the sessions have come to before. */
async function beginRuns({ database: { db }, held }: World): Promise<void> {
  const sessions = await readSessions(db.sql, { states: AT_WORK, partition: PARTITION });
  await db.transaction(async (tx) => {
    for (const session of sessions) if (held?.has(session.id) !== true) await beginRun(tx, session, 1);
  });
}

async function takeOver(leader: Leader): Promise<Leadership> {
  return until(() => leader.tryLead(ROLE));
}

function marketDataOf(world: World): MarketDataClient {
  const answer = <Value>(value: Value): Promise<Value> => {
    world.failures -= 1;
    if (world.failures < 0) return Promise.resolve(value);
    return Promise.reject(new AppError("SERVICE_UNAVAILABLE", "transient", "It is away."));
  };
  return {
    instrument: (id) => answer(id === spx.id ? spx : null),
    series: () => answer(null),
    ensureSeries: (query) => {
      if (world.refusal !== undefined) return Promise.reject(world.refusal);
      const [firstN = 0, headN = 0] = [world.candles[0]?.n, world.candles.at(-1)?.n];
      return answer({ ...query, firstN, headN, headOpenAtMs: null });
    },
    candles: ({ fromN = 1, limit }) => {
      world.asked?.();
      return answer(world.candles.filter(({ n }) => n >= fromN).slice(0, limit));
    },
    columns: () => Promise.reject(new Error("A session reads candles.")),
  };
}
