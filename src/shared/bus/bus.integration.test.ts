import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { z } from "zod";
import { systemClock } from "#shared/clock/system.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock } from "#shared/leader/memory.ts";
import type { Bus, BusEvent, Running, Topic } from "./bus.ts";
import { createBus } from "./create-bus.ts";
import { createPostgresLogStore } from "./postgres-log-store.ts";
import { createRedisBroker } from "./redis-broker.ts";

const PARTITIONS = 4;
const log = pino({ level: "silent" });

let database: TestDatabase;
let redis: TestRedis;
let incarnation: string;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  incarnation = await createPostgresLogStore(database.db).incarnation();
});

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
  await redis.cleanup();
  await database.drop();
});

const topicOf = (name: string): Topic => ({
  name,
  class: "durable",
  version: 1,
  key: "key",
  onDead: "block",
  description: "test",
  schemas: { "thing.happened": z.object({ n: z.number() }) },
});

function member(): { bus: Bus; close(): Promise<void> } {
  const { db } = database;
  const instance = crypto.randomUUID();
  const leader = createLeader({
    db,
    lock: createMemoryLock(),
    clock: systemClock,
    log,
    leaseMs: 1_500,
    holder: instance,
  });
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation });
  const logStore = createPostgresLogStore(db);
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance, partitions: PARTITIONS });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await bus.close();
    await leader.close();
  };
  closers.push(close);
  return { bus, close };
}

async function publish(bus: Bus, topic: Topic, key: string, ...numbers: number[]): Promise<void> {
  for (const n of numbers) {
    await database.db.transaction(async (tx) => {
      bus.publish(tx, [{ topic, key, type: "thing.happened", data: { n } }]);
      await tx.sql`select 1`;
    });
  }
}

async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("The condition was not met in time.");
    await Bun.sleep(5);
  }
}

function collect(bus: Bus, topic: Topic, group: string): { seen: BusEvent[]; running: Running } {
  const seen: BusEvent[] = [];
  const running = bus.subscribe({
    group,
    topics: [topic],
    handle: async (tx, events) => {
      tx.afterCommit(() => seen.push(...events));
      await tx.sql`select 1`;
    },
  });
  return { seen, running };
}

const numbersOf = (events: readonly BusEvent[], key: string): number[] =>
  events.filter((event) => event.key === key).map((event) => (event.data as { n: number }).n);

describe("bus over Postgres and Redis", () => {
  test("brings each event once and in order of its key, also to a group that comes later", async () => {
    const { bus } = member();
    const topic = topicOf("order-of-keys");
    const early = collect(bus, topic, "early");
    await early.running.ready;
    await Promise.all(["a", "b", "c", "d"].map((key) => publish(bus, topic, key, 1, 2, 3, 4, 5)));
    await until(() => early.seen.length >= 20);
    const late = collect(bus, topic, "late");
    await until(() => late.seen.length >= 20);
    for (const key of ["a", "b", "c", "d"]) {
      expect(numbersOf(early.seen, key)).toEqual([1, 2, 3, 4, 5]);
      expect(numbersOf(late.seen, key)).toEqual([1, 2, 3, 4, 5]);
    }
  });

  test("reads from the log what the broker has lost", async () => {
    const { bus } = member();
    const topic = topicOf("lost-streams");
    const { seen, running } = collect(bus, topic, "reader");
    await running.ready;
    await publish(bus, topic, "k", 1, 2);
    await until(() => seen.length === 2);
    await redis.cleanup();
    await publish(bus, topic, "k", 3);
    await redis.cleanup();
    await publish(bus, topic, "k", 4, 5);
    await until(() => seen.length >= 5);
    expect(numbersOf(seen, "k")).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("a group of the bus", () => {
  test("rolls a failed batch back and tries it again", async () => {
    const { bus } = member();
    const topic = topicOf("failing-handler");
    let tries = 0;
    const done: number[] = [];
    const running = bus.subscribe({
      group: "failing",
      topics: [topic],
      handle: async (tx, events) => {
        tries += 1;
        await tx.sql`select 1`;
        if (tries < 3) throw new Error("not yet");
        tx.afterCommit(() => done.push(...events.map((event) => (event.data as { n: number }).n)));
      },
    });
    await running.ready;
    await publish(bus, topic, "k", 1);
    await until(() => done.length > 0);
    expect([tries, done]).toEqual([3, [1]]);
  });

  test("hands the units of a closed member over, and nothing is lost or doubled", async () => {
    const first = member();
    const second = member();
    const topic = topicOf("hand-over");
    const one = collect(first.bus, topic, "shared");
    await one.running.ready;
    const two = collect(second.bus, topic, "shared");
    await two.running.ready;
    await publish(second.bus, topic, "k", 1, 2, 3);
    await until(() => one.seen.length + two.seen.length >= 3);
    await first.close();
    await publish(second.bus, topic, "k", 4, 5);
    await until(() => one.seen.length + two.seen.length >= 5);
    expect([...numbersOf(one.seen, "k"), ...numbersOf(two.seen, "k")]).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("old owners and tails of the bus", () => {
  test("an owner whose epoch is old commits nothing", async () => {
    const { bus } = member();
    const topic = topicOf("old-epoch");
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<number>();
    const committed: number[] = [];
    const running = bus.subscribe({
      group: "fenced",
      topics: [topic],
      handle: async (tx, events, unit) => {
        begun.resolve(unit.partition);
        await held.promise;
        tx.afterCommit(() => committed.push(...events.map((event) => (event.data as { n: number }).n)));
      },
    });
    await running.ready;
    const part = bus.partitionOf("k");
    await database.db.sql`update bus.positions set epoch = epoch + 1 where group_name = 'fenced' and part = ${part}`;
    held.resolve();
    await publish(bus, topic, "k", 1);
    await Promise.race([begun.promise, Bun.sleep(1_500)]);
    await Bun.sleep(200);
    const [position] = await database.db.sql<{ seq: number }[]>`
      select seq from bus.positions where group_name = 'fenced' and part = ${part}`;
    expect([committed, position?.seq]).toEqual([[], 0]);
  });

  test("a tail gets everything of its keys, also of volatile topics", async () => {
    const { bus } = member();
    const durable = topicOf("tail-durable");
    const volatile: Topic = { ...topicOf("tail-volatile"), class: "volatile", maxLength: 100 };
    const seen: Record<string, number[]> = { durable: [], volatile: [] };
    await publish(bus, durable, "k", 1);
    const note = (list: string) => (events: readonly BusEvent[]) => {
      seen[list]?.push(...events.map((event) => (event.data as { n: number }).n));
    };
    const tails = [
      bus.tail({ topic: durable, from: "start", handle: note("durable") }),
      bus.tail({ topic: volatile, from: "now", keys: () => new Set(["k"]), handle: note("volatile") }),
    ];
    await Promise.all(tails.map((tail) => tail.ready));
    await publish(bus, durable, "k", 2, 3);
    const send = (key: string, n: number) =>
      bus.publishVolatile([{ topic: volatile, key, type: "thing.happened", data: { n } }]);
    await Promise.all([send("k", 7), send("other", 8), send("k", 9)]);
    await until(() => seen["durable"]?.length === 3 && seen["volatile"]?.length === 2);
    expect(seen).toEqual({ durable: [1, 2, 3], volatile: [7, 9] });
  });
});
