import { afterAll, beforeAll, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { Tx } from "#shared/db/db.ts";
import { createQueueFixture, numberTask, type QueueFixture } from "./queue.fixture.ts";
import type { TaskQueue } from "./queue.ts";

let fixture: QueueFixture;
beforeAll(async () => {
  fixture = await createQueueFixture();
});
afterAll(() => fixture.close());

interface Seen {
  n: number;
  ahead: number | undefined;
}

/** A worker that reads its first task's number ahead, and notes it beside the task's own. */
function work(queue: TaskQueue, mode: "transaction" | "lease", asked: () => void): Seen[] {
  const seen: Seen[] = [];
  const options = {
    queue: `ahead-${mode}`,
    tasks: [numberTask(`ahead-${mode}`)],
    concurrency: 1,
    async ahead({ sql }: Tx, lane: string): Promise<number | undefined> {
      asked();
      const rows = await sql<{ n: number }[]>`
        select (payload ->> 'n')::int as n from queue.doable(${`ahead-${mode}`}, ${lane}, clock_timestamp(), 1)`;
      return rows[0]?.n;
    },
  };
  if (mode === "transaction")
    queue.work({
      ...options,
      mode,
      handle: async (_tx, tasks, ahead) => {
        seen.push(...tasks.map((task) => ({ n: task.payload.n, ahead })));
        return tasks.map(() => ({}));
      },
    });
  else
    queue.work({
      ...options,
      mode,
      first: async (tx, task, ahead) => {
        seen.push({ n: task.payload.n, ahead });
        tx.complete(task, {});
      },
      handle: () => Promise.resolve(),
    });
  return seen;
}

test.each(["transaction", "lease"] as const)(
  "in %s mode the first task's reading is sent with the lane's lock and finds what the lock was waited for",
  async (mode) => {
    const task = numberTask(`ahead-${mode}`);
    const queue = fixture.process();
    let asked = 0;
    const [first] = await fixture.enqueue(queue, task, "lane", 1, 2);
    const seen = await fixture.database.db.transaction(async ({ sql }) => {
      await sql`select 1 from queue.lanes where queue = ${task.queue} for update`;
      const found = work(fixture.process(), mode, () => {
        asked += 1;
      });
      // The lane is waited for, and its answer was not.
      await until(async () => {
        const rows = await fixture.database.db.sql`
          select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
            and (query like '%queue.lock_lane%' or query like '%queue.lease_lane%')`;
        return rows.length > 0;
      });
      expect([asked > 0, found]).toEqual([true, []]);
      await sql`update queue.tasks set state = 'done' where id = ${first as string}`;
      return found;
    });
    await until(() => seen.length > 0);
    expect(seen).toEqual([{ n: 2, ahead: 2 }]);
  },
);

test.each(["transaction", "lease"] as const)("in %s mode a reading that fails is its task's failure", async (mode) => {
  const task = numberTask(`failing-${mode}`);
  const queue = fixture.process(undefined, undefined, { deadAfterTries: 2 });
  const base = { queue: task.queue, tasks: [task], concurrency: 1 };
  const ahead = ({ sql }: Tx) => sql`select 1 / 0`.then(() => undefined);
  if (mode === "transaction") queue.work({ ...base, ahead, mode, handle: async (_tx, tasks) => tasks.map(() => ({})) });
  else
    queue.work({
      ...base,
      ahead,
      mode,
      first: async (tx, one) => tx.complete(one, {}),
      handle: () => Promise.resolve(),
    });
  const [id] = await fixture.enqueue(queue, task, "lane", 1);
  const dead = await until(async () => {
    const found = await queue.failing.list({ queue: task.queue, state: "dead" }, null, 1);
    return found.length > 0 && found;
  });
  expect(dead).toMatchObject([{ id, failures: 2, error: "division by zero" }]);
});
