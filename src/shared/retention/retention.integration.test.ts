import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { deleteOldEvents } from "#shared/bus/old-events.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { deleteOldActions } from "#shared/dead/old-actions.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock, type MemoryLocks } from "#shared/leader/memory.ts";
import { holdLane, insertTasks, leaseLane } from "#shared/queue/lane-rows.ts";
import { deleteOldTasks } from "#shared/queue/old-tasks.ts";
import { deleteOldRows } from "./retention.ts";

const DAY_MS = 86_400_000;
const AGE_MS = 7 * DAY_MS;
const silent = pino({ level: "silent" });
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.db
    .sql`truncate bus.log, bus.partitions, bus.positions, bus.parked, queue.tasks, queue.lanes, dead.actions`;
});
afterAll(() => database.drop());

/** Events 1 to `count` of a partition, the first `old` of them written eight days ago. */
async function putEvents(topic: string, count: number, old: number): Promise<void> {
  const { sql } = database.db;
  await sql`insert into bus.partitions (topic, part, next_seq) values (${topic}, 0, ${count + 1})`;
  await sql`
    insert into bus.log (topic, part, seq, key, type, version, envelope, created_at)
    select ${topic}, 0, n, 'k', 't', 1, '{}',
      clock_timestamp() - case when n <= ${old}::integer then interval '8 days' else interval '1 day' end
    from generate_series(1, ${count}::integer) as n`;
}

async function putPosition(group: string, topic: string, seq: number): Promise<void> {
  await database.db.sql`
    insert into bus.positions (group_name, topic, part, seq) values (${group}, ${topic}, 0, ${seq})`;
}

async function eventsOf(topic: string): Promise<{ count: number; first: number | null }> {
  const [row] = await database.db.sql<{ count: number; first: number | null }[]>`
    select count(*)::integer as count, min(seq)::integer as first from bus.log where topic = ${topic}`;
  return row ?? { count: 0, first: null };
}

async function totalOf(sweep: AsyncIterable<number>): Promise<number> {
  let total = 0;
  for await (const rows of sweep) total += rows;
  return total;
}

describe("old events", () => {
  test("go in batches by age; a topic without groups too", async () => {
    await putEvents("orders", 2_600, 2_500);
    await putPosition("books", "orders", 2_600);
    await putEvents("alerts", 10, 4);
    expect(await totalOf(deleteOldEvents(database.db, silent, AGE_MS))).toBe(2_504);
    expect(await eventsOf("orders")).toEqual({ count: 100, first: 2_501 });
    expect(await eventsOf("alerts")).toEqual({ count: 6, first: 5 });
  });

  test("stay above the slowest group, which is named", async () => {
    await putEvents("orders", 10, 8);
    await putPosition("fast", "orders", 10);
    await putPosition("slow", "orders", 3);
    const lines: string[] = [];
    const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
    expect(await totalOf(deleteOldEvents(database.db, log, AGE_MS))).toBe(3);
    expect(await eventsOf("orders")).toEqual({ count: 7, first: 4 });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ group: "slow", topic: "orders" }]);
  });
});

describe("old tasks", () => {
  const putTask = async (
    lane: string,
    state: "open" | "done",
    at: { madeDays: number; doneDays?: number; seq?: number },
  ) => {
    const nowMs = Date.now();
    const madeAtMs = nowMs - at.madeDays * DAY_MS;
    const doneAtMs = at.doneDays === undefined ? null : nowMs - at.doneDays * DAY_MS;
    await database.db.sql`
      insert into queue.tasks (id, queue, lane, seq, priority, type, payload, state, created_at_ms, done_at_ms)
      values (${Bun.randomUUIDv7("hex", madeAtMs)}, 'q', ${lane}, ${at.seq ?? 1}, 5, 't', '{}', ${state}, ${madeAtMs},
        ${doneAtMs})`;
  };
  const putLane = async (lane: string, nextSeq: number, owner: string | null = null) => {
    await database.db.sql`
      insert into queue.lanes (queue, lane, next_seq, epoch, owner) values ('q', ${lane}, ${nextSeq}, 5, ${owner})`;
  };
  const lanesOf = async (table: "tasks" | "lanes") => {
    const { sql } = database.db;
    const rows = await sql<{ lane: string }[]>`select lane from ${sql(`queue.${table}`)} order by lane`;
    return rows.map(({ lane }) => lane);
  };

  test("go when they were done long ago; open ones stay", async () => {
    await putTask("old", "done", { madeDays: 9, doneDays: 8 });
    await putTask("long open", "done", { madeDays: 9, doneDays: 1 });
    await putTask("new", "done", { madeDays: 1, doneDays: 1 });
    await putTask("still open", "open", { madeDays: 9 });
    expect(await totalOf(deleteOldTasks(database.db, AGE_MS))).toBe(1);
    expect(await lanesOf("tasks")).toEqual(["long open", "new", "still open"]);
  });

  test("take their lane with them when it is at rest and has given no later number", async () => {
    const long = { madeDays: 9, doneDays: 8 };
    for (const lane of ["held", "in use", "over", "owed"]) await putTask(lane, "done", { ...long, seq: 2 });
    await putTask("owed", "open", { madeDays: 9 });
    await putTask("in use", "done", { madeDays: 1, doneDays: 1, seq: 3 });
    await putLane("held", 3, "worker");
    await putLane("in use", 4);
    await putLane("over", 3);
    await putLane("owed", 3);
    expect(await totalOf(deleteOldTasks(database.db, AGE_MS))).toBe(4);
    expect(await lanesOf("lanes")).toEqual(["held", "in use", "owed"]);
  });

  test("leave a lane alone that is being used in this moment", async () => {
    await putTask("busy", "done", { madeDays: 9, doneDays: 8 });
    await putLane("busy", 2);
    await database.db.transaction(async (tx) => {
      const row = { id: Bun.randomUUIDv7(), queue: "q", lane: "busy", priority: 5, type: "t", payload: {} };
      await insertTasks(tx, { tasks: [{ ...row, traceparent: null }], graceMs: 1_000 });
      expect(await totalOf(deleteOldTasks(database.db, AGE_MS))).toBe(1);
    });
    expect(await lanesOf("tasks")).toEqual(["busy"]);
    expect(await lanesOf("lanes")).toEqual(["busy"]);
  });

  test("a lane that is made again is under a later epoch than all before", async () => {
    const { db } = database;
    const at = { queue: "q", lane: "again" };
    const row = { ...at, priority: 5, type: "t", payload: {}, traceparent: null };
    const lease = async (): Promise<number> => {
      await db.transaction((tx) => insertTasks(tx, { tasks: [{ ...row, id: Bun.randomUUIDv7() }], graceMs: 1_000 }));
      const request = { owner: "worker", leaseMs: 60_000, epoch: null };
      const leased = await db.transaction((tx) => leaseLane(tx, at, request));
      return leased?.epoch ?? expect.unreachable();
    };
    const before = await lease();
    await db.sql`truncate queue.tasks, queue.lanes`;
    expect(await lease()).toBeGreaterThan(before);
    expect(await db.transaction((tx) => holdLane(tx, at, before))).toBe(false);
  });
});

describe("old decisions about what was dead", () => {
  const NEVER = "0198c5d0-0000-7000-8000-00000000000";
  const idOf = (n: number) => `${NEVER}${n}`;

  /** What a person did about the n-th thing, so many days ago. */
  const decide = async (n: number, days: number, action: "redrive" | "discard") => {
    await database.db.sql`
      insert into dead.actions (id, service, kind, dead_id, action, by_whom, reason, at_ms, subject)
      values (${Bun.randomUUIDv7()}, 's', 'event', ${idOf(n)}, ${action}, 'local', 'r', ${Date.now() - days * DAY_MS}, '{}')`;
  };
  const park = async (n: number, state: "parked" | "dead") => {
    await database.db.sql`
      insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, raw, next_try_at, parked_at_ms)
      values (${idOf(n)}, 'g', 't', 0, ${n}, 'k', ${state}, 1, '{}', now(), 0)`;
  };
  const putTask = async (n: number, state: "open" | "done" | "dead") => {
    await database.db.sql`
      insert into queue.tasks (id, queue, lane, seq, priority, type, payload, state, created_at_ms)
      values (${idOf(n)}, 'q', 'l', ${n}, 5, 't', '{}', ${state}, 0)`;
  };

  test("go once what they were about is over; what nobody has decided on stays, however old", async () => {
    // 1 and 2 are over since long, 3 since yesterday; 4 to 7 are not over; 8 and 9 nobody has decided on.
    await decide(1, 8, "discard");
    await decide(2, 9, "redrive");
    await decide(3, 1, "discard");
    for (const n of [4, 5, 6, 7]) await decide(n, 8, "redrive");
    await park(4, "parked");
    await park(5, "dead");
    await putTask(2, "done");
    await putTask(6, "open");
    await putTask(7, "dead");
    await park(8, "dead");
    await putTask(9, "dead");
    expect(await totalOf(deleteOldActions(database.db, AGE_MS))).toBe(2);
    const { sql } = database.db;
    const left = await sql<{ dead_id: string }[]>`select dead_id from dead.actions order by dead_id`;
    expect(left.map(({ dead_id }) => dead_id)).toEqual([3, 4, 5, 6, 7].map(idOf));
    expect(await sql`select id from bus.parked`).toHaveLength(3);
    expect(await sql`select id from queue.tasks where state <> 'done'`).toHaveLength(3);
  });
});

describe("retention", () => {
  test("sweeps in one process of two, and in the other once that one has ended", async () => {
    await putEvents("orders", 10, 4);
    const locks: MemoryLocks = new Map();
    const swept: string[] = [];
    const begin = (name: string) => {
      const clock = systemClock;
      const leader = createLeader({ db: database.db, lock: createMemoryLock(locks), clock, log: silent, retryMs: 20 });
      const stop = new AbortController();
      const events = () => {
        swept.push(name);
        return deleteOldEvents(database.db, silent, AGE_MS);
      };
      const ended = deleteOldRows({ leader, clock, log: silent, sweeps: { events } }, stop.signal);
      return async () => {
        stop.abort();
        await ended;
        await leader.close();
      };
    };
    const endFirst = begin("first");
    await until(async () => (await eventsOf("orders")).count === 6);
    const endSecond = begin("second");
    expect(swept).toEqual(["first"]);
    await endFirst();
    await until(() => Promise.resolve(swept.length === 2));
    expect(swept).toEqual(["first", "second"]);
    await endSecond();
  });
});
