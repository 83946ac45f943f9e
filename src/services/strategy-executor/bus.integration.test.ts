import { afterAll, beforeAll, expect, test } from "bun:test";
import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { Order } from "#shared/domain/order.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock, type MemoryLocks } from "#shared/leader/memory.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_CANDLES, ORDERS, SESSIONS, SIGNALS } from "#shared/messages/topics.ts";
import { createMemoryWakeups } from "#shared/queue/memory.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import type { Deps } from "#shared/service/service.ts";
import { threadHostOf } from "#shared/strategy-threads/thread-host.fixture.ts";
import { flip } from "#strategies/flip.ts";
import { candleOf, runRow, shardSession, untilStored } from "./executor.fixture.ts";
import { strategyExecutor } from "./index.ts";

const log = pino({ level: "silent" });
const locks: MemoryLocks = new Map();
let database: TestDatabase;
let redis: TestRedis;
let incarnation: string;
const candles: Candle[] = [];
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  incarnation = await createPostgresLogStore(database.db).incarnation();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => {
  // Also what a test that failed has left running.
  for (const close of closers.splice(0).toReversed()) await close();
  await redis.cleanup();
  await database.drop();
});

function busOf(instance: string) {
  const { db } = database;
  const leader = createLeader({ db, lock: createMemoryLock(locks), clock: systemClock, log, leaseMs: 600 });
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation });
  const bus = createBus({
    db,
    logStore: createPostgresLogStore(db),
    broker,
    leader,
    clock: systemClock,
    log,
    instance,
  });
  closers.push(async () => {
    await bus.close();
    await leader.close();
  });
  return { bus, leader };
}

async function startExecutor(instance: string) {
  const { db } = database;
  const { bus, leader } = busOf(instance);
  const queue = createTaskQueue({ db, wakeups: createMemoryWakeups(), clock: systemClock, log });
  const marketData = {
    ensureSeries: async (query: object) => ({ ...query, firstN: 0, headN: 0, headOpenAtMs: null }),
    candles: async ({ fromN, limit }: { fromN: number; limit: number }) => candles.slice(fromN - 1, fromN - 1 + limit),
  };
  const strategies = threadHostOf(["strategies"]);
  closers.push(() => strategies.close());
  const clients = { marketData };
  const deps = { db, bus, queue, leader, clients, strategies, clock: systemClock, log, failpoints: noFailpoints };
  const service = strategyExecutor.create(deps as unknown as Deps, strategyExecutor.settings.parse({}));
  await service.start(new AbortController().signal);
  expect(service.notReady()).toEqual([]);
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await service.stop();
    await queue.close();
  };
  closers.push(stop);
  return stop;
}

/** Publishes a candle, and again until it has done what it is to do: as market-data repeats the newest one. */
async function show(bus: Bus, candle: Candle, done: () => Promise<boolean>): Promise<void> {
  candles.push(candle);
  await until(async () => {
    await bus.publishVolatile([event(MARKET_CANDLES, candle.instrumentId, "market.candle", candle)]);
    await systemClock.sleep(50);
    return done();
  });
}

test("over the real bus: a session is warmed up, trades, and goes on with the next instance", async () => {
  const { bus } = busOf("tester");
  const signals: Signal[] = [];
  const watching = bus.tail({
    topic: SIGNALS,
    from: "start",
    handle: (events) =>
      void signals.push(...events.filter((one) => one.type === "signal.created").map(({ data }) => data)),
  });
  const world = { database };
  const id = crypto.randomUUID();
  const base = { id, partition: bus.partitionOf(id), strategy: flip.name, strategyVersion: flip.version };
  const session = shardSession({ ...base, state: "STARTING" });
  let stop = await startExecutor("one");
  await putSession(world.database.db.sql, session);
  await database.db.transaction(async (tx) => {
    bus.publish(tx, [event(SESSIONS, id, "session.changed", { from: "CREATED", session })]);
  });
  await until(async () => (await runRow(world, id))?.phase === "READY");
  const running = { ...session, state: "RUNNING" as const, version: 2 };
  await putSession(world.database.db.sql, running);
  await database.db.transaction(async (tx) => {
    bus.publish(tx, [event(SESSIONS, id, "session.changed", { from: "STARTING", session: running })]);
  });
  await show(bus, candleOf(1, "100"), async () => signals.length === 1);
  await stop();

  stop = await startExecutor("two");
  const filled = orderOf(signals[0] as Signal);
  const fill = fillOf(filled);
  await database.db.transaction(async (tx) => {
    bus.publish(tx, [event(ORDERS, id, "order.filled", { from: "SUBMITTED", order: filled, fill })]);
  });
  await until(async () => ((await runRow(world, id)) as unknown as { held: string })?.held !== "0");
  await show(bus, candleOf(2, "101"), async () => signals.length === 2);
  await untilStored(world, id, 2);
  expect(signals.map(({ number, candleN, intent }) => [number, candleN, intent.kind])).toEqual([
    [1, 1, "enter"],
    [2, 2, "exit"],
  ]);
  // Nobody publishes it: market-data has it, and is asked.
  candles.push(candleOf(3, "102"));
  await untilStored(world, id, 3);
  await watching.close();
}, 30_000);

function orderOf(signal: Signal): Order {
  return {
    id: crypto.randomUUID(),
    clientOrderId: "abcd1234-1",
    sessionId: signal.sessionId,
    number: 1,
    signalId: signal.id,
    accountId: "demo",
    instrumentId: signal.instrumentId,
    signalOrders: 1,
    side: "BUY",
    style: { type: "MARKET" },
    size: "1",
    reduceOnly: false,
    marketAtMs: 1,
    validUntilMs: null,
    receivedAtMs: 1,
    signalAtMs: 1,
    decidedAtMs: 1,
    state: "FILLED",
    stateReason: null,
    venueOrderId: "1",
    filledSize: "1",
    averagePrice: "100",
    fees: { SPX: "0.001" },
    filledAtMs: 1,
    attempt: 1,
    signedAtMs: 1,
    recvWindowMs: 1,
    submittedAtMs: 1,
    sentAtMs: 1,
    version: 3,
  };
}

function fillOf(order: Order) {
  const { id, sessionId, accountId, instrumentId, side, size } = order;
  const money = { price: "100", size, fee: "0.001", feeAsset: "SPX", maker: false, atMs: 1 };
  return { tradeId: "1", orderId: id, sessionId, accountId, instrumentId, side, ...money };
}
