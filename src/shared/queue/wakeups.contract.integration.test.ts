import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createBullmqWakeups } from "./bullmq.ts";
import { createMemoryWakeups } from "./memory.ts";
import type { Wakeups } from "./queue.ts";

let redis: TestRedis;
beforeAll(() => {
  redis = testRedis();
});
afterAll(() => redis.cleanup());

const makers: [string, () => Wakeups][] = [
  ["bullmq", () => createBullmqWakeups({ url: redis.url, prefix: redis.prefix })],
  ["memory", createMemoryWakeups],
];

describe.each(makers)("wake-ups by %s", (_name, make) => {
  test("a lane woken before and after someone listens is run", async () => {
    const wakeups = make();
    const lanes: string[] = [];
    wakeups.wake("early", "a", { priority: 5 });
    const listening = wakeups.listen("early", 2, async (lane) => {
      lanes.push(lane);
      return {};
    });
    await listening.ready;
    wakeups.wake("early", "b", { priority: 5 });
    await until(() => lanes.length === 2);
    expect(lanes.toSorted()).toEqual(["a", "b"]);
    await wakeups.close();
  });

  test("a wake-up during a run is not lost, and many of them are one", async () => {
    const wakeups = make();
    let runs = 0;
    const holds = Promise.withResolvers<void>();
    wakeups.listen("during", 5, async () => {
      runs += 1;
      if (runs === 1) await holds.promise;
      return { runs };
    });
    wakeups.wake("during", "lane", { priority: 5 });
    await until(() => runs === 1);
    for (let n = 0; n < 10; n += 1) wakeups.wake("during", "lane", { priority: 5 });
    wakeups.wake("during", "other", { priority: 5 });
    await until(() => runs === 2);
    holds.resolve();
    await until(() => runs === 3);
    await wakeups.close();
    expect(runs).toBe(3);
  });

  test("no more lanes than the concurrency run at once, the urgent ones first", async () => {
    const wakeups = make();
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    let running = 0;
    let most = 0;
    wakeups.listen("many", 2, async (lane) => {
      order.push(lane);
      running += 1;
      most = Math.max(most, running);
      if (lane.startsWith("gate")) await gate.promise;
      running -= 1;
      return {};
    });
    wakeups.wake("many", "gate-1", { priority: 5 });
    wakeups.wake("many", "gate-2", { priority: 5 });
    await until(() => order.length === 2);
    for (let n = 0; n < 8; n += 1) wakeups.wake("many", `lane-${n}`, { priority: 5 });
    wakeups.wake("many", "urgent", { priority: 0 });
    await wakeups.ping();
    gate.resolve();
    await until(() => order.length === 11);
    expect(most).toBe(2);
    expect(order.slice(2, 4)).toContain("urgent");
    await wakeups.close();
  });
});

describe.each(makers)("listening by %s", (_name, make) => {
  test("a run that throws does not end the listening, and a wake-up during it still counts", async () => {
    const wakeups = make();
    let runs = 0;
    wakeups.listen("throwing", 1, async (lane) => {
      runs += 1;
      if (runs > 1) return {};
      wakeups.wake("throwing", lane, { priority: 5 });
      await wakeups.ping();
      throw new Error("no");
    });
    wakeups.wake("throwing", "lane", { priority: 5 });
    await until(() => runs === 2);
    await wakeups.close();
  });

  test("closing waits for the run in flight", async () => {
    const wakeups = make();
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let done = false;
    const listening = wakeups.listen("closing", 1, async () => {
      begun.resolve();
      await gate.promise;
      done = true;
      return {};
    });
    wakeups.wake("closing", "lane", { priority: 5 });
    await begun.promise;
    const closing = listening.close();
    gate.resolve();
    await closing;
    expect(done).toBe(true);
    await wakeups.close();
  });

  test("queues do not leak into each other", async () => {
    const wakeups = make();
    const heard: string[] = [];
    wakeups.listen("left", 1, async (lane) => (heard.push(`left ${lane}`), {}));
    wakeups.listen("right", 1, async (lane) => (heard.push(`right ${lane}`), {}));
    wakeups.wake("left", "x", { priority: 5 });
    wakeups.wake("right", "y", { priority: 5 });
    await until(() => heard.length === 2);
    expect(heard.toSorted()).toEqual(["left x", "right y"]);
    await wakeups.close();
  });
});

test("bullmq: a swept wake-up is not swallowed by the job of a worker that hangs", async () => {
  const [hung, alive] = [createBullmqWakeups(redis), createBullmqWakeups(redis)];
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const hanging = hung.listen("hung", 1, async () => {
    begun.resolve();
    await gate.promise;
    return {};
  });
  hung.wake("hung", "lane", { priority: 5 });
  await begun.promise;
  const lanes: string[] = [];
  await alive.listen("hung", 1, async (lane) => {
    lanes.push(lane);
    return {};
  }).ready;
  alive.wake("hung", "lane", { priority: 5, swept: true });
  await until(() => lanes.length === 1);
  gate.resolve();
  await hanging.close();
  await Promise.all([hung.close(), alive.close()]);
});
