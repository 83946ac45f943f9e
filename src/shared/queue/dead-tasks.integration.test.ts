import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { FailingTask } from "./failing-tasks.ts";
import { createMemoryWakeups } from "./memory.ts";
import { createQueueFixture, deafWakeups, type NumberTask, numberTask, type QueueFixture } from "./queue.fixture.ts";
import type { DeadTask, TaskOf, TaskQueue } from "./queue.ts";

let fixture: QueueFixture;
beforeAll(async () => {
  fixture = await createQueueFixture();
});
afterAll(() => fixture.close());

/** Works in both modes alike; throws for numbers that are bad. `done` has what was done, in order, as `lane/n`. */
function workBadly(queue: TaskQueue, task: NumberTask, mode: "transaction" | "lease") {
  const at = { done: [] as string[], bad: new Set<number>(), error: new Error("no") as Error, tries: 0 };
  const check = (n: number) => {
    if (!at.bad.has(n)) return;
    at.tries += 1;
    throw at.error;
  };
  const base = { queue: task.queue, tasks: [task], concurrency: 4 };
  if (mode === "transaction") {
    queue.work({
      ...base,
      mode,
      handle: async (tx, tasks) => {
        for (const { payload } of tasks) check(payload.n);
        tx.afterCommit(() => at.done.push(...tasks.map(({ lane, payload }) => `${lane}/${payload.n}`)));
        return tasks.map(() => ({}));
      },
    });
  } else {
    queue.work({
      ...base,
      mode,
      first: async () => undefined,
      handle: async (lane, each) => {
        const { n } = each.payload;
        check(n);
        await lane.step(async (tx) => tx.complete(each, {}));
        at.done.push(`${each.lane}/${n}`);
      },
    });
  }
  return at;
}

async function deadIn(queue: TaskQueue, task: NumberTask, count = 1): Promise<FailingTask[]> {
  return until(async () => {
    const dead = await queue.failing.list({ queue: task.queue, state: "dead" }, null, 100);
    return dead.length >= count && dead;
  });
}

const PERMANENT = new AppError("INTERNAL", "permanent", "It can not be.");

describe.each(["transaction", "lease"] as const)("tasks that fail, in %s mode", (mode) => {
  const name = (what: string) => `${what}-${mode}`;

  test("a permanent error makes a task dead at once; it holds its lane, other lanes flow", async () => {
    const task = numberTask(name("block"));
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(2);
    at.error = PERMANENT;
    await fixture.enqueue(queue, task, "a", 1, 2, 3);
    await fixture.enqueue(queue, task, "b", 10, 11);
    const [dead] = await deadIn(queue, task);
    expect(dead).toMatchObject({ lane: "a", seq: 2, failures: 1, error: "It can not be.", payload: { n: 2 } });
    await until(() => at.done.length === 3);
    await fixture.enqueue(queue, task, "b", 12);
    await until(() => at.done.length === 4);
    expect(at.done.toSorted()).toEqual(["a/1", "b/10", "b/11", "b/12"]);
    expect(await queue.failing.find(task.queue, dead?.id ?? "")).toMatchObject({ waiting: 1 });
  });

  test.each([
    ["half a pair", "bad \ud800 \0", "bad \ufffd "],
    ["a pair cut in two", `${"x".repeat(1_999)}\u{1f600}`, `${"x".repeat(1_999)}\ufffd`],
  ])("an error whose text no row takes still makes its task dead: %s", async (what, text, error) => {
    const task = numberTask(name(what.replaceAll(" ", "-")));
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(1);
    at.error = new AppError("INTERNAL", "permanent", text);
    await fixture.enqueue(queue, task, "a", 1);
    expect(await deadIn(queue, task)).toMatchObject([{ failures: 1, error }]);
  });

  test("a type that skips lets its lane go on behind a dead task", async () => {
    const task = numberTask(name("skip"), "skip");
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(2);
    at.error = PERMANENT;
    await fixture.enqueue(queue, task, "a", 1, 2, 3);
    await until(() => at.done.length === 2);
    expect(at.done).toEqual(["a/1", "a/3"]);
    expect(await deadIn(queue, task)).toMatchObject([{ seq: 2 }]);
  });

  test("a task that fails again and again is dead after so many tries, and an outage never counts", async () => {
    const task = numberTask(name("tries"));
    const queue = fixture.process(createMemoryWakeups(), undefined, { deadAfterTries: 2 });
    const at = workBadly(queue, task, mode);
    at.bad.add(1);
    at.error = new AppError("VENUE_UNAVAILABLE", "outage", "away");
    await fixture.enqueue(queue, task, "a", 1);
    await until(() => at.tries >= 3);
    expect(await queue.failing.list({ queue: task.queue, state: "dead" }, null, 1)).toEqual([]);
    at.error = new AppError("CONFLICT", "transient", "Not yet.");
    expect(await deadIn(queue, task)).toMatchObject([{ failures: 2, error: "Not yet." }]);
  });

  test("redriven, a dead task and those behind it are done in order", async () => {
    const task = numberTask(name("redrive"));
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(1);
    at.error = PERMANENT;
    await fixture.enqueue(queue, task, "a", 1, 2, 3);
    const [dead] = await deadIn(queue, task);
    at.bad.clear();
    const redrive = () =>
      fixture.database.db.transaction((tx) => queue.failing.redrive(tx, task.queue, dead?.id ?? ""));
    expect(await redrive()).toMatchObject({ state: "parked", failures: 0 });
    await until(() => at.done.length === 3);
    expect(at.done).toEqual(["a/1", "a/2", "a/3"]);
    expect(await redrive()).toBeNull();
  });

  test("discarded, a dead task lets those behind it go on", async () => {
    const task = numberTask(name("discard"));
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(1);
    at.error = PERMANENT;
    await fixture.enqueue(queue, task, "a", 1, 2, 3);
    const [dead] = await deadIn(queue, task);
    await fixture.database.db.transaction((tx) => queue.failing.discard(tx, task.queue, dead?.id ?? ""));
    await until(() => at.done.length === 2);
    expect(at.done).toEqual(["a/2", "a/3"]);
  });

  test("a task that can not be decoded is dead at once, and who wants to know is told once", async () => {
    const told: DeadTask[] = [];
    const task = numberTask(name("undecodable"));
    const onDead = async (_tx: unknown, dead: DeadTask) => void told.push(dead);
    const queue = fixture.process(createMemoryWakeups(), undefined, { onDead });
    const foreign = { ...task, type: "of-a-later-version" };
    await fixture.enqueue(fixture.process(deafWakeups()), foreign, "a", 1);
    workBadly(queue, task, mode);
    const [dead] = await deadIn(queue, task);
    expect(dead).toMatchObject({ type: "of-a-later-version", payload: { n: 1 }, failures: 1 });
    expect(told).toMatchObject([{ id: dead?.id ?? "", lane: "a", holds: true, sessionId: null }]);
  });

  test("a task that is done, though its commit's answer was lost, is not told as dead; its lane goes on", async () => {
    const told: DeadTask[] = [];
    const task = numberTask(name("answer-lost"));
    const onDead = async (_tx: unknown, dead: DeadTask) => void told.push(dead);
    const queue = fixture.process(createMemoryWakeups(), undefined, { onDead });
    const done: number[] = [];
    const note = (tx: Pick<Tx, "afterCommit">, { payload }: TaskOf<NumberTask>) =>
      tx.afterCommit(() => {
        done.push(payload.n);
        if (done.length === 1) throw PERMANENT;
      });
    const base = { queue: task.queue, tasks: [task], concurrency: 1 };
    // A lease is kept where more waits; a batch of several would be halved.
    await fixture.enqueue(fixture.process(deafWakeups()), task, "a", ...(mode === "lease" ? [1, 2] : [1]));
    if (mode === "transaction") {
      queue.work({
        ...base,
        mode,
        handle: async (tx, tasks) => {
          for (const each of tasks) note(tx, each);
          return tasks.map(() => ({}));
        },
      });
    } else {
      queue.work({
        ...base,
        mode,
        first: async () => undefined,
        handle: async (lane, each) =>
          lane.step(async (tx) => {
            note(tx, each);
            tx.complete(each, {});
          }),
      });
    }
    await until(() => done.length > 0);
    if (mode === "transaction") await fixture.enqueue(queue, task, "a", 2);
    await until(() => done.length === 2);
    expect(done).toEqual([1, 2]);
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(told).toEqual([]);
  });

  test("a dead task counts as waiting, so that nobody asks for the same again and again", async () => {
    const task = numberTask(name("waiting"));
    const queue = fixture.process(createMemoryWakeups());
    const at = workBadly(queue, task, mode);
    at.bad.add(1);
    at.error = PERMANENT;
    await fixture.enqueue(queue, task, "a", 1);
    await deadIn(queue, task);
    const { db } = fixture.database;
    expect(await db.transaction((tx) => queue.isWaiting(tx, task, "a"))).toBe(true);
    expect(await db.transaction((tx) => queue.waitingLanes(tx, task, { n: 1 }))).toEqual(["a"]);
  });
});

test("of a large batch with one bad task only that one waits", async () => {
  const task = numberTask("halved", "skip");
  const queue = fixture.process(createMemoryWakeups(), undefined, { deadAfterTries: 1 });
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  await fixture.enqueue(fixture.process(deafWakeups()), task, "a", ...numbers);
  const at = workBadly(queue, task, "transaction");
  at.bad.add(61);
  await until(() => at.done.length === 99);
  expect(await deadIn(queue, task)).toMatchObject([{ payload: { n: 61 } }]);
  expect(at.tries).toBeLessThan(12);
});

describe("a handler that does not end", () => {
  test.each([
    ["transaction", "waits for ever"],
    ["transaction", "has a statement that runs on"],
    ["lease", "waits for ever"],
    ["lease", "has a statement that runs on"],
    ["lease", "begins with a statement that runs on"],
  ] as const)(
    "past its deadline gives its lane up, other lanes flow, and its task is dead in the end: in %s mode one that %s",
    async (mode, how) => {
      const task: NumberTask = { ...numberTask(`endless-${Bun.hash(mode + how)}`), deadlineMs: 500 };
      const queue = fixture.process(createMemoryWakeups(), undefined, { deadlineMs: 500 });
      const done: number[] = [];
      const runOn = async (tx: Tx, n: number) => void (n === 1 && (await tx.sql`select pg_sleep(600)`));
      const hang = (n: number) =>
        n === 1 && how === "waits for ever" ? new Promise<void>(() => undefined) : Promise.resolve();
      const base = { queue: task.queue, tasks: [task], concurrency: 2 };
      const numberOf = ({ payload }: TaskOf<NumberTask>) => payload.n;
      if (mode === "transaction") {
        queue.work({
          ...base,
          mode,
          handle: async (tx, tasks) => {
            for (const each of tasks) await hang(numberOf(each));
            for (const each of tasks) await runOn(tx, numberOf(each));
            tx.afterCommit(() => done.push(...tasks.map(numberOf)));
            return tasks.map(() => ({}));
          },
        });
      } else {
        queue.work({
          ...base,
          mode,
          first: async (tx, each) => void (how.startsWith("begins") && (await runOn(tx, numberOf(each)))),
          handle: async (lane, each) => {
            await hang(numberOf(each));
            await lane.step(async (tx) => {
              await runOn(tx, numberOf(each));
              tx.complete(each, {});
            });
            done.push(numberOf(each));
          },
        });
      }
      await fixture.enqueue(queue, task, "bad", 1, 2);
      await fixture.enqueue(queue, task, "good", 3, 4);
      const [dead] = await deadIn(queue, task);
      expect(dead).toMatchObject({ failures: 3, error: expect.stringContaining("has not ended within 500 ms") });
      await fixture.enqueue(queue, task, "good", 5);
      await until(() => done.length === 3);
      expect(done).toEqual([3, 4, 5]);
    },
    20_000,
  );

  test("writes nothing when it wakes up late, and the task is done once", async () => {
    const task: NumberTask = { ...numberTask("late"), deadlineMs: 200 };
    const queue = fixture.process(createMemoryWakeups());
    const late = Promise.withResolvers<void>();
    const woken = Promise.withResolvers<unknown>();
    const epochs: number[] = [];
    queue.work({
      queue: task.queue,
      tasks: [task],
      concurrency: 1,
      mode: "lease",
      first: async () => undefined,
      handle: async (lane, each) => {
        epochs.push(lane.epoch);
        if (epochs.length === 1) {
          await late.promise;
          expect(lane.signal.aborted).toBe(true);
          woken.resolve(
            await lane.step(async (tx) => tx.complete(each, { late: true })).catch((error: unknown) => error),
          );
          return;
        }
        await lane.step(async (tx) => tx.complete(each, { late: false }));
      },
    });
    await fixture.enqueue(queue, task, "a", 1);
    await until(async () => (await fixture.openTasks(task)) === 0);
    late.resolve();
    expect(await woken.promise).toMatchObject({ code: "FENCED" });
    expect(epochs.length).toBe(2);
    expect(epochs[1]).toBeGreaterThan(epochs[0] ?? 0);
    const [row] = await fixture.database.db.sql`select outcome from queue.tasks where queue = 'late'`;
    expect(row).toEqual({ outcome: { late: false } });
  });
});
