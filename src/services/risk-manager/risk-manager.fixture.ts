import { pino } from "pino";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putAccount, putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import type { AdvisoryLock } from "#shared/leader/leader.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { DECIDE_SIGNAL, FLATTEN_POSITION, type FlattenPosition } from "#shared/messages/tasks.ts";
import { event, ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { applyOrderEvent, type OrderEvent, type TrackedOrder } from "#shared/orders/order-state.ts";
import { track } from "#shared/orders/tracked-order.fixture.ts";
import type { Wakeups } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import type { Deps } from "#shared/service/service.ts";
import { createRiskManager } from "./service.ts";
import { riskManagerSettings } from "./settings.ts";

const log = pino({ level: "silent" });
/** The account that all sessions have, unless a test says otherwise. */
export const ACCOUNT = "demo";

/** A decision as its row says it. */
export interface DecisionRow {
  signal_id: string;
  kind: string;
  code: string | null;
  order_id: string | null;
  size: string | null;
}

/** The adapters that only a test file may name. */
interface Adapters {
  wakeups: (redis: TestRedis) => Wakeups;
  lock: (redis: TestRedis) => AdvisoryLock;
}

/** The venue's market clock; null: a replay. */
export const MARKET: { nowMs: number | null } = { nowMs: null };

/** How far a test has moved the wall clock on. */
export const AHEAD = { ms: 0 };
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + AHEAD.ms };

/** The ports of a process of its own. */
async function openPorts(database: TestDatabase, redis: TestRedis, adapters: Adapters) {
  const { db } = database;
  const logStore = createPostgresLogStore(db);
  const leader = createLeader({ db, lock: adapters.lock(redis), clock: systemClock, log, leaseMs: 1_000, retryMs: 20 });
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation, blockMs: 100 });
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance: crypto.randomUUID() });
  const queue = createTaskQueue({ db, wakeups: adapters.wakeups(redis), clock: systemClock, log, sweepMs: 50 });
  const exchanges = { accounts: [{ id: ACCOUNT, venue: "paper" }], marketNowMs: () => MARKET.nowMs };
  return { db, bus, queue, leader, exchanges, clock, log, failpoints: noFailpoints };
}
type Ports = Awaited<ReturnType<typeof openPorts>>;

/** The service on real servers; the tests stand for those before and behind it. */
export class World {
  readonly #closers: (() => Promise<void>)[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly redis: TestRedis,
    private readonly adapters: Adapters,
    /** What a decision is made with, for tests that make one without the queue. */
    readonly ports: Ports,
  ) {
    this.#keep(ports);
  }

  static async create(adapters: Adapters): Promise<World> {
    const database = await createTestDatabase();
    const redis = testRedis();
    const { sql } = database.db;
    await putInstrument(sql, spx);
    await putAccount(sql, ACCOUNT, "paper");
    return new World(database, redis, adapters, await openPorts(database, redis, adapters));
  }

  /** Starts one more worker. */
  async start(): Promise<void> {
    const ports = await openPorts(this.database, this.redis, this.adapters);
    this.#keep(ports);
    const service = createRiskManager(ports as unknown as Deps, riskManagerSettings.parse({}));
    await service.start(new AbortController().signal);
    this.#closers.push(() => service.stop());
  }

  /** Hands a signal over as strategy-executor does, so many times. */
  async signal(signal: Signal, times = 1): Promise<void> {
    const task = { task: DECIDE_SIGNAL, lane: signal.sessionId, payload: { signal } };
    await this.database.db.transaction(async (tx) => {
      for (let time = 0; time < times; time += 1) await this.ports.queue.enqueue(tx, task);
    });
  }

  async flatten(payload: FlattenPosition): Promise<void> {
    const task = { task: FLATTEN_POSITION, lane: payload.sessionId, payload, priority: 0 };
    await this.database.db.transaction((tx) => this.ports.queue.enqueue(tx, task));
  }

  /** Tells what became of an order, as order-position-tracker does; gives the order after it. */
  async tell(tracked: TrackedOrder, orderEvent: OrderEvent): Promise<TrackedOrder> {
    const change = applyOrderEvent(tracked, orderEvent);
    if (change.kind !== "changed") throw new Error(`The event was ${change.kind}.`);
    const { order } = change.tracked;
    const data = { from: change.from, order };
    await this.database.db.transaction(async (tx) => {
      this.ports.bus.publish(tx, [
        orderEvent.kind === "fill"
          ? event(ORDERS, order.sessionId, "order.filled", { ...data, fill: orderEvent.fill })
          : event(ORDERS, order.sessionId, "order.changed", data),
      ]);
    });
    return change.tracked;
  }

  /** Awaits that all the session's tasks here are done; gives what the last came to. */
  async outcome({ id }: Session): Promise<Record<string, unknown> | null> {
    return until(async () => {
      const tasks = await this.database.db.sql<{ state: string; outcome: Record<string, unknown> }[]>`
        select state, outcome from queue.tasks where queue = 'risk-manager' and lane = ${id} order by seq`;
      return tasks.every(({ state }) => state === "done") ? (tasks.at(-1)?.outcome ?? null) : null;
    });
  }

  /** Changes a session and tells of it, as session-manager does. */
  async change(session: Session, change: Partial<Session>): Promise<void> {
    const changed = { ...session, ...change };
    await this.database.db.transaction(async (tx) => {
      await putSession(tx.sql, changed);
      this.ports.bus.publish(tx, [
        event(SESSIONS, session.id, "session.changed", { from: session.state, session: changed }),
      ]);
    });
  }

  async putAccount(state: "ACTIVE" | "REDUCING" | "HALTED"): Promise<void> {
    await this.database.db.sql`update reference.accounts set trading_state = ${state} where id = ${ACCOUNT}`;
  }

  async decisions(sessionId: string): Promise<DecisionRow[]> {
    return this.database.db.sql<DecisionRow[]>`
      select signal_id, kind, code, order_id, size from risk_manager.decisions
      where session_id = ${sessionId} order by decided_at_ms, signal_id, order_index`;
  }

  /** The orders that were handed on, in order of their numbers. */
  async placed(sessionId: string): Promise<OrderRequest[]> {
    const rows = await this.database.db.sql<{ order: OrderRequest }[]>`
      select payload -> 'order' as "order" from queue.tasks
      where type = 'place-order' and payload -> 'order' ->> 'sessionId' = ${sessionId}
      order by (payload -> 'order' ->> 'number')::integer`;
    return rows.map(({ order }) => order);
  }

  /** The types and data of what was told about a session, in order. */
  async told(topic: string, sessionId: string) {
    const rows = await this.database.db.sql<{ type: string; envelope: { data: Record<string, unknown> } }[]>`
      select type, envelope from bus.log where topic = ${topic} and key = ${sessionId} order by seq`;
    return rows.map(({ type, envelope }) => ({ type, data: envelope.data }));
  }

  /** What an order may still take of the quote and the base. Null: its reservation is gone. */
  async reserved(orderId: string): Promise<{ quote: string; base: string } | null> {
    const rows = await this.database.db.sql<{ quote: string; base: string }[]>`
      select size_left * quote_per_unit as quote, size_left * base_per_unit as base
      from risk_manager.reservations where order_id = ${orderId}`;
    const row = rows[0];
    return row === undefined ? null : { quote: normalize(row.quote), base: normalize(row.base) };
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    await this.redis.cleanup();
    await this.database.drop();
  }

  #keep({ queue, bus, leader }: Ports): void {
    this.#closers.push(async () => {
      await queue.close();
      await bus.close();
      await leader.close();
    });
  }
}

/** A session that may buy ten a signal, and sells all when it stops. */
export function riskSession(more: Partial<Session> = {}): Session {
  const limits = {
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
    degradedEntries: "deny-stale" as const,
  };
  const riskPolicy = { sizing: { method: "fixed-size", size: "10" }, ...limits } as const;
  return sessionOf({ accountId: ACCOUNT, riskPolicy, stopPolicy: "flatten", ...more });
}

export const EXIT = { kind: "exit", style: { type: "MARKET" } } as const;

/** An order as order-position-tracker keeps it once it has sent it. */
export function sent(request: OrderRequest): TrackedOrder {
  const order: Order = { ...newOrder(request), state: "SUBMITTED", attempt: 1, version: 2 };
  return track(order);
}

/** What a session that stops asks risk for. */
export function flattenWish({ id: sessionId, run, version, instrumentIds }: Session): FlattenPosition {
  return { sessionId, run, version, instrumentId: instrumentIds[0] as string, mark: "100", marketAtMs: 3_000 };
}

export function fillOf(order: OrderRequest, tradeId: string, size: string): OrderEvent {
  const { id: orderId, sessionId, accountId, instrumentId, side } = order;
  const of = { tradeId, orderId, sessionId, accountId, instrumentId, side };
  const feeAsset = side === "BUY" ? spx.base : spx.quote;
  return { kind: "fill", fill: { ...of, price: "100", size, fee: "0", feeAsset, maker: false, atMs: 2_000 } };
}
