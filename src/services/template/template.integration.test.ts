import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { event, POSITIONS } from "#shared/messages/topics.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { Place } from "./place.ts";
import { scaling as leaderElection } from "./scaling/leader.ts";
import { scaling as loadBalancing } from "./scaling/load-balancing.ts";
import { scaling as partitioning } from "./scaling/partitioning.ts";
import { scaling as taskQueue } from "./scaling/task-queue.ts";
import { createTemplate } from "./service.ts";
import { templateSettings } from "./settings.ts";

const log = pino({ level: "silent" });

/** How two instances share the work. */
const KINDS = [
  { kind: "load balancing", scaling: loadBalancing },
  { kind: "task queue", scaling: taskQueue },
  { kind: "partitioning", scaling: partitioning },
  { kind: "leader election", scaling: leaderElection },
];

const SESSIONS = Array.from({ length: 20 }, (_, index) => `session-${index}`);

/** What an instance is made of. */
interface Instance {
  deps: Place["deps"];
  close(): Promise<void>;
}

/** Ports as a process of its own has them. */
async function openPorts({ db }: TestDatabase, redis: TestRedis): Promise<Instance> {
  const logStore = createPostgresLogStore(db);
  const lock = createRedlockLock(redis);
  const leader = createLeader({ db, lock, clock: systemClock, log, leaseMs: 1_000, retryMs: 20 });
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation, blockMs: 100 });
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance: crypto.randomUUID() });
  const queue = createTaskQueue({ db, wakeups: createBullmqWakeups(redis), clock: systemClock, log, sweepMs: 50 });
  return {
    deps: { db, bus, queue, leader, clock: systemClock, log },
    async close() {
      for (const port of [queue, bus, leader]) await port.close();
    },
  };
}

describe.each(KINDS)("two instances: $kind", ({ scaling }) => {
  let database: TestDatabase;
  let redis: TestRedis;
  let ports: Instance[];

  async function open(): Promise<Place["deps"]> {
    const opened = await openPorts(database, redis);
    ports.push(opened);
    return opened.deps;
  }

  async function startInstance(): Promise<{ stop(): Promise<void> }> {
    const service = createTemplate({ deps: await open(), settings: templateSettings.parse({}) }, scaling);
    await service.start(new AbortController().signal);
    return service;
  }

  async function areAll(size: string): Promise<boolean> {
    const rows = await database.db.sql`select 1 from template.notes where size = ${size}`;
    return rows.length === SESSIONS.length;
  }

  beforeEach(async () => {
    database = await createTestDatabase();
    redis = testRedis();
    ports = [];
  });
  afterEach(async () => {
    for (const opened of ports) await opened.close();
    await redis.cleanup();
    await database.drop();
  });

  test("notes each position once and in order, while one of two instances goes", async () => {
    const { db } = database;
    const { bus } = await open();
    const tell = (size: string) =>
      db.transaction(async (tx) => {
        const rest = { accountId: "demo", instrumentId: "SPX/USD.paper", averageEntry: "1", realizedProfit: "0" };
        const position = { ...rest, fees: {}, updatedAtMs: 1, size };
        const events = SESSIONS.map((sessionId) =>
          event(POSITIONS, sessionId, "position.changed", { ...position, sessionId }),
        );
        bus.publish(tx, events);
      });
    const first = await startInstance();
    const second = await startInstance();
    for (const size of ["1", "2", "3"]) await tell(size);
    await until(() => areAll("3"));
    await first.stop();
    for (const size of ["4", "100.5"]) await tell(size);
    await until(() => areAll("100.5"));
    await until(async () => (await db.sql`select 1 from alerts.open`).length === SESSIONS.length);
    await second.stop();
    const told = await db.sql<{ key: string; sizes: string[] }[]>`
      select key, array_agg(envelope -> 'data' ->> 'size' order by seq) as sizes from bus.log
      where topic = 'template-notes' group by key`;
    expect(new Map(told.map(({ key, sizes }) => [key, sizes]))).toEqual(
      new Map(SESSIONS.map((sessionId) => [sessionId, ["1", "2", "3", "4", "100.5"]])),
    );
    const raised = await db.sql`select 1 from bus.log where topic = 'alerts' and type = 'alert.raised'`;
    expect(raised).toHaveLength(SESSIONS.length);
  });
});
