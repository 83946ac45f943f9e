import { afterAll, beforeAll, expect, test } from "bun:test";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { createBullmqWakeups } from "./bullmq.ts";
import { createQueueFixture, type NumberTask, numberTask, type QueueFixture } from "./queue.fixture.ts";
import type { TaskQueue } from "./queue.ts";

let fixture: QueueFixture;
let redis: Redis;
beforeAll(async () => {
  fixture = await createQueueFixture();
  redis = new Redis(fixture.redis.url);
});
afterAll(async () => {
  redis.disconnect();
  await fixture.close();
});

const KEYS = ["meta", "wait", "active", "prioritized", "delayed", "marker", "id", "pc", "events", "completed"];

/** Whatever a hand with Redis' password may do to the keys of a queue, given what they begin with. */
const GARBAGE: [string, (prefix: string) => Promise<unknown>][] = [
  ["paused", (prefix) => redis.hset(`${prefix}:meta`, "paused", 1)],
  ["limited to no job at a time", (prefix) => redis.hset(`${prefix}:meta`, "concurrency", 0)],
  [
    "limited to a job a day",
    async (prefix) => {
      await redis.hset(`${prefix}:meta`, "max", 1, "duration", 86_400_000);
      await redis.set(`${prefix}:limiter`, 1_000_000);
    },
  ],
  [
    "the lane taken by a job that is none",
    async (prefix) => {
      await redis.set(`${prefix}:de:lane`, "garbage");
      await redis.hset(`${prefix}:garbage`, "name", "garbage");
    },
  ],
  [
    "texts in place of all its keys",
    async (prefix) => {
      for (const name of KEYS) await redis.set(`${prefix}:${name}`, "garbage");
    },
  ],
];

function work(queue: TaskQueue, task: NumberTask, done: number[]) {
  return queue.work({
    queue: task.queue,
    tasks: [task],
    concurrency: 2,
    mode: "transaction",
    handle: async (_tx, tasks) => {
      done.push(...tasks.map(({ payload }) => payload.n));
      return tasks.map(() => ({}));
    },
  });
}

/** Does one task more. */
async function oneMore(queue: TaskQueue, task: NumberTask, done: number[]): Promise<void> {
  const n = done.filter((one) => one < 1_000).length;
  await fixture.enqueue(queue, task, "lane", n);
  await until(() => done.includes(n));
}

/** When a job was done last; 0: none that is known. */
async function lastJobAtMs(prefix: string): Promise<number> {
  const newest = await redis.zrange(`${prefix}:completed`, "-1", "-1", "WITHSCORES").catch(() => []);
  return Number(newest.flat()[1] ?? 0);
}

test("hints that are garbage wake nobody, and hints come again", async () => {
  const task = numberTask("hints");
  const queue = fixture.process(createBullmqWakeups({ ...fixture.redis, noJobsMs: 1_000 }), 60_000);
  const waker = fixture.process(undefined, 60_000);
  const done: number[] = [];
  await work(queue, task, done).ready;
  const prefix = `${fixture.redis.prefix}:queue:${task.queue}`;
  const byHint = async (n: number) => {
    await fixture.enqueue(waker, task, "lane", n);
    await until(() => done.includes(n), 10_000);
  };
  // By its job: the first makes the connection for hints.
  await byHint(0);
  await redis.hset(`${prefix}:meta`, "paused", 1);
  await until(async () => String(await redis.client("LIST")).includes("cmd=blpop"));
  await redis.rpush(
    `${prefix}:hints`,
    "garbage",
    "[1]",
    '["a","no lane"]',
    "x".repeat(5_000),
    JSON.stringify(["b", 2]),
  );
  await byHint(1);
  // Nobody reads a text; it goes, and the next hint but one at the latest comes.
  await redis.set(`${prefix}:hints`, "garbage");
  await until(async () => (await redis.type(`${prefix}:hints`)) !== "string", 10_000);
  await until(async () => {
    const n = done.length + 100;
    await fixture.enqueue(waker, task, `lane-${n}`, n);
    return await until(() => done.includes(n), 1_000).catch(() => false);
  }, 10_000);
});

test.each(GARBAGE)(
  "a queue that is %s goes on, and its jobs are done again soon",
  async (name, leave) => {
    const task = numberTask(name.replaceAll(" ", "-"));
    const queue = fixture.process(createBullmqWakeups({ ...fixture.redis, noJobsMs: 1_000 }), 1_000);
    const prefix = `${fixture.redis.prefix}:queue:${task.queue}`;
    const done: number[] = [];
    await work(queue, task, done).ready;
    await oneMore(queue, task, done);
    await leave(prefix);
    const leftAtMs = Date.now();
    await oneMore(queue, task, done);
    // By BullMQ, and not by a sweep or a hint.
    await until(async () => {
      await oneMore(queue, task, done);
      return (await lastJobAtMs(prefix)) > leftAtMs;
    }, 60_000);
  },
  90_000,
);

test("a lane whose mark points to a job that is over is woken again while its queue's other lanes are heard", async () => {
  const task = numberTask("marked");
  const queue = fixture.process(undefined, 1_000);
  const done: number[] = [];
  await work(queue, task, done).ready;
  await oneMore(queue, task, done);
  const prefix = `${fixture.redis.prefix}:queue:${task.queue}`;
  const [over = ""] = await until(async () => {
    const ids = await redis.zrange(`${prefix}:completed`, 0, "-1");
    return ids.length > 0 && ids;
  });
  await redis.set(`${prefix}:de:lane`, String(over));
  await until(async () => {
    await fixture.enqueue(queue, task, "other", 1_000);
    const askedAtMs = performance.now();
    await oneMore(queue, task, done);
    // Sooner than any sweep.
    return performance.now() - askedAtMs < 400;
  }, 60_000);
  // It was not the whole queue that was made anew.
  expect(await redis.exists(`${prefix}:${over}`)).toBe(1);
  expect(await redis.keys(`${prefix}:de:swept*`)).toEqual([]);
}, 90_000);

test("texts in place of the keys of a queue that rests go, without a task", async () => {
  const task = numberTask("resting");
  const queue = fixture.process(undefined, 60_000);
  const done: number[] = [];
  await work(queue, task, done).ready;
  const prefix = `${fixture.redis.prefix}:queue:${task.queue}`;
  for (const name of KEYS) await redis.set(`${prefix}:${name}`, "garbage");
  await until(async () => (await redis.type(`${prefix}:wait`)) !== "string", 30_000);
  expect(await redis.type(`${prefix}:prioritized`)).not.toBe("string");
}, 60_000);

test("jobs whose lanes nobody could name are emptied, and nobody asks the database about them", async () => {
  const task = numberTask("long-lanes");
  const queue = fixture.process(undefined, 60_000);
  const done: number[] = [];
  await work(queue, task, done).ready;
  const prefix = `${fixture.redis.prefix}:queue:${task.queue}`;
  const wakeups = new Queue(task.queue, {
    connection: { url: fixture.redis.url },
    prefix: `${fixture.redis.prefix}:queue`,
  });
  const made = await wakeups.addBulk(
    [{ lane: "x".repeat(4_000_000), wakeId: "w" }, { lane: 5 }, { lane: "l", wakeId: [] }].map((data) => ({
      name: "wake",
      data,
    })),
  );
  for (const { id } of made) {
    await until(async () => (await redis.zscore(`${prefix}:completed`, String(id))) !== null, 30_000);
    expect(await redis.hget(`${prefix}:${id}`, "data")).toBe('{"lane":"","wakeId":""}');
  }
  await wakeups.close();
  await oneMore(queue, task, done);
});
