import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import { holdLane, leaseLane } from "./lane-rows.ts";
import { createMemoryWakeups } from "./memory.ts";
import {
  createQueueFixture,
  deafWakeups,
  LEASE_MS,
  type NumberTask,
  numberTask,
  type QueueFixture,
} from "./queue.fixture.ts";
import type { LaneTx, LeasedLane, TaskOf, TaskQueue } from "./queue.ts";

let fixture: QueueFixture;
beforeAll(async () => {
  fixture = await createQueueFixture();
});
afterAll(() => fixture.close());

type NumberOf = TaskOf<NumberTask>;
type Handle = (lane: LeasedLane, task: NumberOf) => Promise<void>;

function work(
  queue: TaskQueue,
  task: NumberTask,
  handle: Handle,
  first: (tx: LaneTx, task: NumberOf) => Promise<unknown> = async () => undefined,
) {
  return queue.work({
    queue: task.queue,
    tasks: [task],
    concurrency: 4,
    mode: "lease",
    first,
    handle,
  });
}

const complete: Handle = (lane, task) => lane.step(async (tx) => tx.complete(task, { n: task.payload.n }));

const laneRow = async (task: NumberTask, lane: string) => {
  const [row] = await fixture.database.db.sql<{ epoch: number; owner: string | null; wake_at: Date | null }[]>`
    select epoch, owner, wake_at from queue.lanes where queue = ${task.queue} and lane = ${lane}`;
  return row;
};

describe("lanes under lease", () => {
  test("tasks of a lane are done in order, and two workers never run one lane at a time", async () => {
    const task = numberTask("order");
    const sender = fixture.process();
    const done = new Map<string, number[]>();
    const running = new Set<string>();
    const workers = new Set<number>();
    for (const worker of [1, 2]) {
      work(fixture.process(), task, async (lane, each) => {
        expect(running.has(lane.lane)).toBe(false);
        running.add(lane.lane);
        workers.add(worker);
        await systemClock.sleep(2);
        running.delete(lane.lane);
        await complete(lane, each);
        done.set(lane.lane, [...(done.get(lane.lane) ?? []), each.payload.n]);
      });
    }
    const lanes = Array.from({ length: 12 }, (_, n) => `lane-${n}`);
    for (let n = 1; n <= 8; n += 1) {
      await Promise.all(lanes.map((lane) => fixture.enqueue(sender, task, lane, n)));
    }
    await until(async () => (await fixture.openTasks(task)) === 0);
    await until(() => [...done.values()].flat().length === 96);
    for (const lane of lanes) expect(done.get(lane)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(workers.size).toBe(2);
  });

  test("the last step releases the lane in its commit, and `first` may settle a task alone", async () => {
    const task = numberTask("release");
    const queue = fixture.process();
    const handled: number[] = [];
    work(
      queue,
      task,
      async (lane, each) => {
        handled.push(each.payload.n);
        await complete(lane, each);
        expect(await laneRow(task, "lane")).toMatchObject({ epoch: lane.epoch, owner: null, wake_at: null });
        expect(lane.signal.aborted).toBe(false);
        const after = await lane.step(async () => 1).catch((error: unknown) => error);
        expect(hasCode(after, "FENCED")).toBe(true);
      },
      async (tx, each) => {
        if (each.payload.n === 1) tx.complete(each, {});
      },
    );
    await fixture.enqueue(queue, task, "lane", 1, 2);
    await until(async () => (await fixture.openTasks(task)) === 0);
    await until(() => handled.length > 0);
    expect(handled).toEqual([2]);
  });

  test("tasks that come while the lane is worked are done under the same lease", async () => {
    const task = numberTask("append");
    const queue = fixture.process();
    const epochs: number[] = [];
    work(queue, task, async (lane, each) => {
      epochs.push(lane.epoch);
      if (each.payload.n === 1) await fixture.enqueue(queue, task, "lane", 2, 3);
      await complete(lane, each);
    });
    await fixture.enqueue(queue, task, "lane", 1);
    await until(() => epochs.length === 3);
    expect(new Set(epochs).size).toBe(1);
  });
});

describe("a lane's lease", () => {
  test("a dead worker's lane goes on under the next epoch, and the dead one writes nothing when it wakes", async () => {
    const task = numberTask("dead");
    const { db } = fixture.database;
    const dead = { queue: task.queue, lane: "lane" };
    await fixture.enqueue(fixture.process(deafWakeups()), task, "lane", 1);
    const lease = await db.transaction((tx) => leaseLane(tx, dead, { owner: "dead", leaseMs: LEASE_MS, epoch: null }));
    const epoch = lease?.epoch ?? expect.unreachable();
    const seen: { epoch: number; attempts: number }[] = [];
    work(fixture.process(), task, async (lane, each) => {
      seen.push({ epoch: lane.epoch, attempts: each.attempts });
      await complete(lane, each);
    });
    await until(() => seen.length === 1);
    expect(seen).toEqual([{ epoch: epoch + 1, attempts: 2 }]);
    expect(await db.transaction((tx) => holdLane(tx, dead, epoch))).toBe(false);
  });

  test("a lane under a running lease is not given to another worker that is woken for it", async () => {
    const task = numberTask("leased");
    const queue = fixture.process(createMemoryWakeups());
    const tried = Promise.withResolvers<unknown>();
    let epoch: number | undefined;
    work(queue, task, async (lane, each) => {
      epoch = lane.epoch;
      const request = { owner: "another", leaseMs: LEASE_MS, epoch: null };
      tried.resolve(await fixture.database.db.transaction((tx) => leaseLane(tx, lane, request)));
      await complete(lane, each);
    });
    await fixture.enqueue(queue, task, "lane", 1);
    expect(await tried.promise).toBeUndefined();
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect((await laneRow(task, "lane"))?.epoch).toBe(epoch);
  });

  test("a worker whose lane was taken over is fenced in its step, and its body is never run", async () => {
    const task = numberTask("fenced");
    const queue = fixture.process(createMemoryWakeups());
    let ran = false;
    const error = Promise.withResolvers<unknown>();
    work(queue, task, async (lane) => {
      await fixture.database.db.sql`update queue.lanes set epoch = epoch + 1 where queue = ${task.queue}`;
      const step = lane.step(async () => {
        ran = true;
      });
      error.resolve(await step.catch((thrown: unknown) => thrown));
      expect(lane.signal.aborted).toBe(true);
      await step;
    });
    await fixture.enqueue(queue, task, "lane", 1);
    expect(hasCode(await error.promise, "FENCED")).toBe(true);
    expect(ran).toBe(false);
    expect(await fixture.openTasks(task)).toBe(1);
  });

  test("a lease is extended while its handler takes longer than it", async () => {
    const task = numberTask("long");
    const epochs: number[] = [];
    const queues = [fixture.process(), fixture.process()];
    for (const queue of queues) {
      work(queue, task, async (lane, each) => {
        epochs.push(lane.epoch);
        await systemClock.sleep(LEASE_MS * 3);
        await complete(lane, each);
      });
    }
    await fixture.enqueue(queues[0] as TaskQueue, task, "lane", 1);
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(epochs).toHaveLength(1);
  });
});

describe("tasks that are tried again", () => {
  test("retryIn keeps a task open, frees the lane, and goes on at its time", async () => {
    const task = numberTask("retry");
    const queue = fixture.process();
    const begun: { n: number; attempts: number; atMs: number }[] = [];
    work(queue, task, async (lane, each) => {
      begun.push({ n: each.payload.n, attempts: each.attempts, atMs: systemClock.monotonicMs() });
      if (each.payload.n === 1 && each.attempts < 3) {
        await lane.step(async (tx) => tx.retryIn(each, 150));
        expect((await laneRow(task, "lane"))?.owner).toBeNull();
      } else await complete(lane, each);
    });
    await fixture.enqueue(queue, task, "lane", 1, 2);
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(begun.map(({ n, attempts }) => [n, attempts])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
    ]);
    expect((begun[1]?.atMs ?? 0) - (begun[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(150);
  });

  test("a task that was put off goes on at its time, not at the next sweep", async () => {
    const task = numberTask("timer");
    const queue = fixture.process(fixture.bullmq(), 60_000);
    work(queue, task, async (lane, each) => {
      if (each.attempts === 1) await lane.step(async (tx) => tx.retryIn(each, 30));
      else await complete(lane, each);
    });
    await fixture.enqueue(queue, task, "lane", 1);
    await until(async () => (await fixture.openTasks(task)) === 0, 3_000);
  });

  test("an urgent task does not wait for one that is put off", async () => {
    const task = numberTask("urgent");
    const queue = fixture.process();
    const done: number[] = [];
    let begun = 0;
    work(queue, task, async (lane, each) => {
      begun += 1;
      if (each.payload.n === 1 && !done.includes(2)) return lane.step(async (tx) => tx.retryIn(each, 100));
      await complete(lane, each);
      done.push(each.payload.n);
    });
    await fixture.enqueue(queue, task, "lane", 1);
    await until(() => begun === 1);
    await fixture.database.db.transaction((tx) =>
      queue.enqueue(tx, { task, lane: "lane", payload: { n: 2 }, priority: 0 }),
    );
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(done).toEqual([2, 1]);
  });
});

describe("handlers that fail", () => {
  test("a handler that throws is tried again, in first and in handle; nothing is lost", async () => {
    const task = numberTask("throws");
    // Without sweeps: one that finds the lane late begins the task once more before its failure is noted.
    const queue = fixture.process(undefined, 60_000);
    const begun: string[] = [];
    work(
      queue,
      task,
      async (lane, each) => {
        begun.push(`handle ${each.attempts}`);
        if (each.attempts === 2) throw new Error("second");
        await complete(lane, each);
      },
      async (tx, each) => {
        begun.push(`first ${each.attempts}`);
        await tx.sql`select 1`;
        if (each.attempts === 1) throw new Error("first");
      },
    );
    await fixture.enqueue(queue, task, "lane", 1);
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(begun).toEqual(["first 1", "first 2", "handle 2", "first 3", "handle 3"]);
  });
});
