import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createBullmqWakeups } from "./bullmq.ts";
import { createMemoryWakeups } from "./memory.ts";
import type { TaskOutcome, Wakeups } from "./queue.ts";

let redis: TestRedis;
beforeAll(() => {
  redis = testRedis();
});
afterAll(() => redis.cleanup());

const makers: [string, () => Wakeups][] = [
  ["bullmq", () => createBullmqWakeups({ url: redis.url, prefix: redis.prefix })],
  ["memory", createMemoryWakeups],
];

/** Lanes with work, as rows have it: who is called again for a wake-up looks there first. */
function lanesOf(wakeups: Wakeups, queue: string) {
  const waiting = new Map<string, number>();
  return {
    give(lane: string, priority = 5) {
      waiting.set(lane, (waiting.get(lane) ?? 0) + 1);
      wakeups.wake(queue, lane, { priority });
    },
    listen: (concurrency: number, run: (lane: string) => Promise<TaskOutcome>) =>
      wakeups.listen(queue, concurrency, async (lane, isAgain) => {
        if (isAgain && !waiting.has(lane)) return { tasks: 0 };
        waiting.delete(lane);
        return run(lane);
      }),
  };
}

describe.each(makers)("wake-ups by %s", (_name, make) => {
  test("a lane woken before and after someone listens is run", async () => {
    const wakeups = make();
    const lanes: string[] = [];
    const early = lanesOf(wakeups, "early");
    early.give("a");
    const listening = early.listen(2, async (lane) => {
      lanes.push(lane);
      return {};
    });
    await listening.ready;
    early.give("b");
    await until(() => lanes.length === 2);
    expect(lanes.toSorted()).toEqual(["a", "b"]);
    await wakeups.close();
  });

  test("a wake-up during a run is not lost, and many of them are one", async () => {
    const wakeups = make();
    const lanes = lanesOf(wakeups, "during");
    let runs = 0;
    const holds = Promise.withResolvers<void>();
    lanes.listen(5, async () => {
      runs += 1;
      if (runs === 1) await holds.promise;
      return { runs };
    });
    lanes.give("lane");
    await until(() => runs === 1);
    for (let n = 0; n < 10; n += 1) lanes.give("lane");
    lanes.give("other");
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
    const lanes = lanesOf(wakeups, "many");
    lanes.listen(2, async (lane) => {
      order.push(lane);
      running += 1;
      most = Math.max(most, running);
      if (lane.startsWith("gate")) await gate.promise;
      running -= 1;
      return {};
    });
    lanes.give("gate-1");
    lanes.give("gate-2");
    await until(() => order.length === 2);
    for (let n = 0; n < 8; n += 1) lanes.give(`lane-${n}`);
    lanes.give("urgent", 0);
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
    const lanes = lanesOf(wakeups, "throwing");
    let runs = 0;
    lanes.listen(1, async (lane) => {
      runs += 1;
      if (runs > 1) return {};
      lanes.give(lane);
      await wakeups.ping();
      throw new Error("no");
    });
    lanes.give("lane");
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
    const [left, right] = [lanesOf(wakeups, "left"), lanesOf(wakeups, "right")];
    left.listen(1, async (lane) => (heard.push(`left ${lane}`), {}));
    right.listen(1, async (lane) => (heard.push(`right ${lane}`), {}));
    left.give("x");
    right.give("y");
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
