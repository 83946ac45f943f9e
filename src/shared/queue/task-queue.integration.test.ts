import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";
import { lockLane } from "./lane-rows.ts";
import { createMemoryWakeups } from "./memory.ts";
import { createQueueFixture, deafWakeups, type NumberTask, numberTask, type QueueFixture } from "./queue.fixture.ts";
import type { TaskQueue } from "./queue.ts";

let fixture: QueueFixture;
beforeAll(async () => {
  fixture = await createQueueFixture();
});
afterAll(() => fixture.close());

/** A transaction-mode worker whose effect is a row for each task. */
function work(queue: TaskQueue, task: NumberTask, seen: (numbers: number[]) => void = () => undefined) {
  return queue.work({
    queue: task.queue,
    tasks: [task],
    concurrency: 4,
    mode: "transaction",
    handle: async (tx, tasks) => {
      const numbers = tasks.map(({ payload }) => payload.n);
      seen(numbers);
      for (const { id, lane, payload } of tasks) {
        await tx.sql`insert into effects (queue, lane, n, id) values (${task.queue}, ${lane}, ${payload.n}, ${id})`;
      }
      return numbers.map((n) => ({ n }));
    },
  });
}

/** The same transaction, with the texts of its statements noted. */
function watched(tx: Tx, texts: string[]): Tx {
  const sql = new Proxy(tx.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      texts.push(args[0].join("?"));
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  return { ...tx, sql };
}

const effects = async (task: NumberTask, lane: string) => {
  const rows = await fixture.database.db.sql<{ n: number }[]>`
    select n from effects where queue = ${task.queue} and lane = ${lane} order by at`;
  return rows.map(({ n }) => n);
};

beforeAll(async () => {
  await fixture.database.db.sql`
    create table effects (at bigint generated always as identity, queue text, lane text, n integer, id uuid primary key)`;
});

describe("enqueue", () => {
  test("numbers are dense and in the order of commits; a rollback leaves no hole and wakes no one", async () => {
    const task = numberTask("dense");
    const wakeups = deafWakeups();
    const queue = fixture.process(wakeups);
    await fixture.enqueue(queue, task, "lane", 10, 11);
    const failed = fixture.database.db.transaction(async (tx) => {
      void queue.enqueue(tx, { task, lane: "lane", payload: { n: 12 } });
      throw new Error("rolled back");
    });
    expect(
      await failed.then(
        () => "committed",
        () => "failed",
      ),
    ).toBe("failed");
    await Promise.all([13, 14, 15].map((n) => fixture.enqueue(queue, task, "lane", n)));
    const rows = await fixture.database.db.sql<{ seq: number }[]>`
      select seq from queue.tasks where queue = 'dense' order by seq`;
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(wakeups.woken).toEqual(["lane", "lane", "lane", "lane"]);
  });

  test("a payload that breaks its contract is refused", async () => {
    const queue = fixture.process(deafWakeups());
    const wrong = { task: numberTask("refused"), lane: "lane", payload: { n: "one" } };
    const awaited = fixture.database.db.transaction((tx) => queue.enqueue(tx, wrong));
    expect(hasCode(await awaited.catch((error: unknown) => error), "INVALID_INPUT")).toBe(true);
    const left = fixture.database.db.transaction(async (tx) => void queue.enqueue(tx, wrong));
    expect(hasCode(await left.catch((error: unknown) => error), "INVALID_INPUT")).toBe(true);
  });

  test("it may be left without an await: the commit carries it", async () => {
    const task = numberTask("pipelined");
    const queue = fixture.process(deafWakeups());
    await fixture.database.db.transaction(async (tx) => {
      for (const n of [1, 2, 3]) void queue.enqueue(tx, { task, lane: "lane", payload: { n } });
    });
    expect(await fixture.openTasks(task)).toBe(3);
  });
});

describe("tasks that one transaction enqueues", () => {
  const seqs = async (task: NumberTask) => {
    const rows = await fixture.database.db.sql<{ lane: string; seq: number; n: number }[]>`
      select lane, seq, (payload ->> 'n')::integer as n from queue.tasks where queue = ${task.queue} order by lane, seq`;
    return rows.map(({ lane, seq, n }) => [lane, seq, n]);
  };

  test("are one statement, and those of a lane keep their order behind what it has", async () => {
    const task = numberTask("together");
    const queue = fixture.process(deafWakeups());
    await fixture.enqueue(queue, task, "b", 1, 2);
    const texts: string[] = [];
    const ids = await fixture.database.db.transaction((tx) => {
      const all = ["b", "a", "b", "c", "a"].map((lane, n) => ({ task, lane, payload: { n: 10 + n } }));
      return Promise.all(all.map((one) => queue.enqueue(watched(tx, texts), one)));
    });
    expect(texts.filter((text) => text.includes("queue."))).toHaveLength(1);
    expect(await seqs(task)).toEqual([
      ["a", 1, 11],
      ["a", 2, 14],
      ["b", 1, 1],
      ["b", 2, 2],
      ["b", 3, 10],
      ["b", 4, 12],
      ["c", 1, 13],
    ]);
    const stored = await fixture.database.db.sql`
      select 1 from queue.tasks where queue = 'together' and id = any(${ids}::uuid[])`;
    expect(stored).toHaveLength(ids.length);
  });

  test("are its queue's backlog until they are done", async () => {
    const task = numberTask("backlog");
    const queue = fixture.process(deafWakeups());
    const backlog = async () => (await queue.backlog()).filter((one) => one.queue === task.queue);
    expect(await backlog()).toEqual([]);
    for (const [lane, n] of [
      ["a", 1],
      ["b", 2],
    ] as const)
      await fixture.enqueue(queue, task, lane, n);
    const [oldest] = await fixture.database.db.sql<{ at: number }[]>`
      select min(created_at_ms) as at from queue.tasks where queue = ${task.queue}`;
    expect(await backlog()).toEqual([{ queue: task.queue, open: 2, oldestCreatedAtMs: oldest?.at ?? 0 }]);
    work(queue, task);
    await until(async () => (await backlog()).length === 0);
  });

  test("lock their lanes in one order, whatever order they are enqueued in", async () => {
    const task = numberTask("sorted");
    const queue = fixture.process(deafWakeups());
    const { db } = fixture.database;
    for (const lane of ["a", "b"]) await fixture.enqueue(queue, task, lane, 1);
    let both: Promise<unknown> = Promise.resolve();
    await db.transaction(async (tx) => {
      await lockLane(tx, { queue: task.queue, lane: "a" }, 1);
      both = db.transaction(async (other) => {
        for (const lane of ["b", "a"]) void queue.enqueue(other, { task, lane, payload: { n: 2 } });
      });
      await until(async () => {
        const rows = await db.sql`
          select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%queue.enqueue%'
            and datname = current_database()`;
        return rows.length > 0;
      });
      // Whoever waits for the first one has not locked the second.
      await tx.sql`select 1 from queue.lanes where queue = ${task.queue} and lane = 'b' for update nowait`;
    });
    await both;
    expect(await fixture.openTasks(task)).toBe(4);
  });

  test("are seen by whoever asks in it what waits", async () => {
    const task = numberTask("seen");
    const queue = fixture.process(deafWakeups());
    await fixture.database.db.transaction(async (tx) => {
      void queue.enqueue(tx, { task, lane: "a", payload: { n: 1 } });
      expect(await queue.isWaiting(tx, task, "a")).toBe(true);
      void queue.enqueue(tx, { task, lane: "b", payload: { n: 1 } });
      expect((await queue.waitingLanes(tx, task, { n: 1 })).sort()).toEqual(["a", "b"]);
    });
    expect(await fixture.openTasks(task)).toBe(2);
  });

  test("lock their lane at once where their type says so, and else with the commit", async () => {
    const late = numberTask("locks-late");
    const early = { ...numberTask("locks-early"), locksAtOnce: true } as const;
    const queue = fixture.process(deafWakeups());
    const { db } = fixture.database;
    for (const task of [late, early]) await fixture.enqueue(queue, task, "lane", 1);
    const free = await db.transaction(async (tx) => {
      for (const task of [early, late]) void queue.enqueue(tx, { task, lane: "lane", payload: { n: 2 } });
      await tx.sql`select 1`;
      const rows = await db.sql<{ queue: string }[]>`
        select queue from queue.lanes where queue = any(${[late.queue, early.queue]}::text[]) for update skip locked`;
      return rows.map((row) => row.queue);
    });
    expect(free).toEqual([late.queue]);
  });

  test("are refused once it has written its own: nothing of it is committed", async () => {
    const task = numberTask("too-late");
    const queue = fixture.process(deafWakeups());
    const failed = fixture.database.db.transaction(async (tx) => {
      void queue.enqueue(tx, { task, lane: "lane", payload: { n: 1 } });
      tx.beforeCommit(Symbol("a hook that comes later"), async () => {
        void queue.enqueue(tx, { task, lane: "lane", payload: { n: 2 } });
      });
    });
    expect(hasCode(await failed.catch((error: unknown) => error), "INTERNAL")).toBe(true);
    expect(await fixture.openTasks(task)).toBe(0);
  });
});

describe("transaction mode", () => {
  test("all that waits is done in one transaction", async () => {
    const task = numberTask("batch");
    const queue = fixture.process();
    const batches: number[][] = [];
    await fixture.enqueue(queue, task, "lane", 1, 2, 3);
    work(queue, task, (numbers) => batches.push(numbers));
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(batches).toEqual([[1, 2, 3]]);
    const rows = await fixture.database.db.sql<{ outcome: unknown; attempts: number; done: boolean }[]>`
      select outcome, attempts, done_at_ms is not null as done from queue.tasks where queue = 'batch' order by seq`;
    expect(rows[2]).toEqual({ outcome: { n: 3 }, attempts: 1, done: true });
  });

  test("a task that a handler enqueues in its own lane is done next, and one in another lane is woken", async () => {
    const task = numberTask("chain");
    const queue = fixture.process(createMemoryWakeups(), 60_000);
    queue.work({
      queue: task.queue,
      tasks: [task],
      concurrency: 1,
      mode: "transaction",
      handle: async (tx, tasks) => {
        for (const { lane, payload } of tasks) {
          await tx.sql`
            insert into effects (queue, lane, n, id)
            values (${task.queue}, ${lane}, ${payload.n}, ${crypto.randomUUID()})`;
          if (payload.n < 3) void queue.enqueue(tx, { task, lane, payload: { n: payload.n + 1 } });
          if (payload.n === 3) void queue.enqueue(tx, { task, lane: `${lane} again`, payload: { n: 4 } });
        }
        return tasks.map(() => ({}));
      },
    });
    await fixture.enqueue(queue, task, "lane", 1);
    await until(async () => (await effects(task, "lane again")).length === 1);
    expect(await effects(task, "lane")).toEqual([1, 2, 3]);
    expect(await fixture.openTasks(task)).toBe(0);
  });

  test("two workers and many lanes: each effect once, in order", async () => {
    const task = numberTask("shared");
    const queues = [fixture.process(), fixture.process()];
    for (const queue of queues) work(queue, task);
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const lanes = Array.from({ length: 8 }, (_, n) => `lane-${n}`);
    for (const n of numbers) {
      await Promise.all(lanes.map((lane) => fixture.enqueue(queues[n % 2] as TaskQueue, task, lane, n)));
    }
    await until(async () => (await fixture.openTasks(task)) === 0);
    for (const lane of lanes) expect(await effects(task, lane)).toEqual(numbers);
  });

  test("the lane's row is locked while its tasks are done", async () => {
    const task = numberTask("locked");
    const queue = fixture.process(createMemoryWakeups());
    await fixture.enqueue(queue, task, "lane", 1);
    const second = Promise.withResolvers<unknown>();
    queue.work({
      queue: task.queue,
      tasks: [task],
      concurrency: 1,
      mode: "transaction",
      handle: async (_tx, tasks) => {
        const other = fixture.database.db.transaction(async (tx) => {
          await tx.sql`set local lock_timeout = '50ms'`;
          return lockLane(tx, { queue: task.queue, lane: "lane" }, 10);
        });
        second.resolve(await other.catch((error: unknown) => error));
        return tasks.map(() => ({}));
      },
    });
    expect(await second.promise).toBeInstanceOf(AppError);
    await until(async () => (await fixture.openTasks(task)) === 0);
  });

  test("a bad task of a batch waits alone with its lane's later ones; those before it are done", async () => {
    const task = numberTask("poison");
    const queue = fixture.process();
    let broken = true;
    await fixture.enqueue(queue, task, "lane", 1, 2, 3);
    work(queue, task, (numbers) => {
      if (broken && numbers.includes(2)) throw new Error("no");
    });
    await until(async () => (await effects(task, "lane")).length === 1);
    const tried = await until(async () => {
      const [row] = await fixture.database.db.sql<{ attempts: number; error: string }[]>`
        select attempts, error from queue.tasks where queue = 'poison' and seq = 2 and attempts > 0`;
      return row;
    });
    expect(tried).toEqual({ attempts: 1, error: "no" });
    // Whoever finds the lane then: its worker may be gone.
    const [lane] = await fixture.database.db.sql<{ wakes: boolean }[]>`
      select l.wake_at >= t.run_after as wakes from queue.lanes l join queue.tasks t using (queue, lane)
      where queue = 'poison' and t.seq = 2`;
    expect(lane).toEqual({ wakes: true });
    broken = false;
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(await effects(task, "lane")).toEqual([1, 2, 3]);
  });
});

describe("wake-ups that are lost", () => {
  test("the sweeper heals a wake-up that never came, by memory and by BullMQ", async () => {
    for (const wakeups of [createMemoryWakeups(), fixture.bullmq()]) {
      const task = numberTask(`lost-${wakeups.constructor.name}`);
      await fixture.enqueue(fixture.process(deafWakeups()), task, "lane", 1);
      work(fixture.process(wakeups), task);
      await until(async () => (await fixture.openTasks(task)) === 0);
    }
  });

  test("queues whose keys were deleted in Redis go on, under load too", async () => {
    const task = numberTask("flushed");
    const queues = [fixture.process(), fixture.process()];
    for (const queue of queues) work(queue, task);
    const redis = new Redis(fixture.redis.url);
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    for (const n of numbers) {
      await Promise.all(["a", "b", "c"].map((lane) => fixture.enqueue(queues[n % 2] as TaskQueue, task, lane, n)));
      if (n % 10 === 5) {
        // A wake-up is given without waiting: the first may not have reached Redis yet.
        const keys = await until(async () => {
          const found = await redis.keys(`${fixture.redis.prefix}:queue:flushed*`);
          return found.length > 0 && found;
        });
        await redis.unlink(...keys);
      }
    }
    await until(async () => (await fixture.openTasks(task)) === 0);
    for (const lane of ["a", "b", "c"]) expect(await effects(task, lane)).toEqual(numbers);
    redis.disconnect();
  });

  test("waking a lane without tasks does no harm", async () => {
    const task = numberTask("woken");
    const wakeups = createMemoryWakeups();
    const queue = fixture.process(wakeups);
    work(queue, task);
    wakeups.wake(task.queue, "nobody", { priority: 5 });
    await fixture.enqueue(queue, task, "lane", 1);
    await until(async () => (await fixture.openTasks(task)) === 0);
    expect(await effects(task, "lane")).toEqual([1]);
  });
});
