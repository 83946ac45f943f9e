import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { z } from "zod";
import {
  candleOf,
  type Replica,
  runRow,
  sessionChanged,
  shardSession,
  signalsOf,
  startReplica,
  untilCandle,
  untilStored,
  type World,
  worldOf,
} from "#services/strategy-executor/executor.fixture.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Db, Sql } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { defineStrategy } from "#shared/strategy/strategy.ts";
import type { Progress } from "./commits.ts";
import { GroupCommits } from "./group-commits.ts";

const longAtTwo = defineStrategy({
  name: "long-at-two",
  version: "1",
  description: "for tests",
  params: z.strictObject({}),
  warmupBars: () => 0,
  forming: false,
  create: () => ({
    onBar(bar, context) {
      if (bar.n === 2) context.wantLong();
    },
    snapshot: () => null,
    restore: () => undefined,
  }),
});

/** Its state is large from the second bar on. */
const large = defineStrategy({
  ...longAtTwo,
  name: "large",
  create: () => {
    let state: string | null = null;
    return {
      onBar(bar) {
        if (bar.n === 2) state = "x".repeat(500_000);
      },
      snapshot: () => state,
      restore: () => undefined,
    };
  },
});

const COUNT = 40;
const IDS = Array.from(
  { length: COUNT },
  (_, index) => `00000000-0000-4000-8000-0000000000${String(index).padStart(2, "0")}`,
);
let database: TestDatabase;
let world: World;
let replica: Replica | null = null;
let patient: Db | null = null;

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => database.drop());
beforeEach(() => {
  world = worldOf(database, [longAtTwo, large]);
});
afterEach(async () => {
  await replica?.kill();
  await patient?.close();
  [replica, patient] = [null, null];
  await database.db.sql`truncate strategy_executor.runs, reference.sessions, queue.tasks, queue.lanes`;
});

/** A crowd that has worked its first candle. */
async function crowd(strategy = "long-at-two"): Promise<Replica> {
  for (const id of IDS) await putSession(database.db.sql, shardSession({ id, state: "RUNNING", strategy }));
  replica = await startReplica(world);
  await until(async () => {
    const rows = await database.db.sql`select 1 from strategy_executor.runs where phase = 'READY'`;
    return rows.length === COUNT;
  });
  const first = candleOf(1, "100");
  world.candles.push(first);
  replica.show(first);
  await Promise.all(IDS.map((id) => untilCandle(world, id, 1)));
  return replica;
}

function showSecond(): void {
  const second = candleOf(2, "100");
  world.candles.push(second);
  replica?.show(second);
}

/** Transactions that have written runs: each row names the one that wrote it last. */
async function writers(): Promise<number> {
  const [row] = await database.db.sql<{ count: number }[]>`
    select count(distinct xmin::text)::int as count from strategy_executor.runs where candle_n = 2`;
  return row?.count ?? 0;
}

test("candles of forty sessions are a few commits, each with its signal and its task", async () => {
  await crowd();
  showSecond();
  await Promise.all(IDS.map((id) => untilCandle(world, id, 2)));
  expect(await writers()).toBeLessThan(COUNT / 4);
  const tasks = await database.db.sql<{ lane: string }[]>`
    select lane from queue.tasks where type = ${DECIDE_SIGNAL.type} order by lane`;
  expect(tasks.map(({ lane }) => lane)).toEqual(IDS);
  expect(IDS.map((id) => signalsOf(world, id).length)).toEqual(IDS.map(() => 1));
});

test("what is large together goes a few at a time", async () => {
  await crowd("large");
  showSecond();
  await Promise.all(IDS.map((id) => untilCandle(world, id, 2)));
  const groups = await database.db.sql<{ count: number }[]>`
    select count(*)::int as count from strategy_executor.runs where candle_n = 2 group by xmin::text`;
  // Of 4 Mi characters at most.
  expect(Math.max(...groups.map(({ count }) => count))).toBeLessThanOrEqual(8);
});

/** All sessions but one, of whom someone holds something, go on at the second candle; that one does once it is let go. */
async function othersGoOn(held: string, db: Db, hold: (sql: Sql) => Promise<unknown>): Promise<void> {
  const [free, taken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = db.transaction(async ({ sql }) => {
    await hold(sql);
    taken.resolve();
    await free.promise;
  });
  await taken.promise;
  showSecond();
  await Promise.all(IDS.filter((id) => id !== held).map((id) => untilStored(world, id, 2)));
  expect(await runRow(world, held)).toMatchObject({ candle_n: 1 });
  free.resolve();
  await holding;
  await untilCandle(world, held, 2);
  expect(signalsOf(world, held)).toHaveLength(1);
}

test("a session whose row someone holds keeps none of the others, and goes on once it is free", async () => {
  await crowd();
  const [held = ""] = IDS.slice(7);
  await othersGoOn(held, database.db, (sql) => sql`select 1 from reference.sessions where id = ${held} for update`);
});

test("a session whose lane someone holds keeps none of the others", async () => {
  // The server lets each wait for the lock for longer than this test does.
  const limits = { timeoutMs: 60_000, transactionTimeoutMs: 60_000 };
  patient = createPostgresDb(database.url, limits);
  world = { ...world, database: { ...database, db: patient } };
  await crowd();
  const [held = ""] = IDS.slice(7);
  const { queue } = DECIDE_SIGNAL;
  await database.db.sql`insert into queue.lanes (queue, lane, next_seq, epoch) values (${queue}, ${held}, 1, 1)`;
  await othersGoOn(held, patient, (sql) => sql`select 1 from queue.lanes where lane = ${held} for update`);
});

/** Sessions of the crowd, each with what its second candle has come to, and who commits them. */
async function worked(count: number) {
  const { unit, deps } = await crowd();
  const rows = await database.db.sql<{ session: unknown }[]>`
    select session from reference.sessions where id = any(${IDS.slice(0, count)}) order by id`;
  const progresses: Progress[] = rows.map(({ session }) => ({
    session: sessionSchema.parse(session),
    fromN: 1,
    candleN: 2,
    closeAtMs: 120_000,
    bar: 2,
    runtime: { wish: null, random: [1, 2, 3, 4], strategy: null } as never,
    signals: 0,
    signal: null,
  }));
  return { unit, deps, progresses };
}

/** Commits all at once: the first goes alone and lets the others wait, which are a group. */
function outcomesOf(deps: Replica["deps"], commits: readonly [OwnedUnit, Progress][]): Promise<string[]> {
  const groups = new GroupCommits(deps);
  return Promise.all(
    commits.map(([unit, progress]) =>
      groups.commit(unit, progress).then(
        () => "committed",
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      ),
    ),
  );
}

test("what an epoch that is over has worked is not committed beside what its successor has", async () => {
  const { unit, deps, progresses } = await worked(3);
  const over = { ...unit, epoch: unit.epoch - 1 };
  const commits = progresses.map((one, index): [OwnedUnit, Progress] => [index === 1 ? over : unit, one]);
  expect(await outcomesOf(deps, commits)).toEqual(["committed", "FENCED", "committed"]);
});

test("a cursor that is not where the candles were worked from, and a run that is faulted, are not moved on in a group", async () => {
  const { unit, deps, progresses } = await worked(4);
  const [, moved = "", faulted = ""] = IDS;
  await database.db.sql`update strategy_executor.runs set candle_n = 5 where session_id = ${moved}`;
  await database.db.sql`update strategy_executor.runs set phase = 'FAULTED' where session_id = ${faulted}`;
  const commits = progresses.map((one): [OwnedUnit, Progress] => [unit, one]);
  expect(await outcomesOf(deps, commits)).toEqual(["committed", "CONFLICT", "CONFLICT", "committed"]);
  expect(await runRow(world, moved)).toMatchObject({ candle_n: 5 });
  expect(await runRow(world, faulted)).toMatchObject({ phase: "FAULTED", candle_n: 1 });
});

test("all of a group hear that its connection has ended, and none is committed alone", async () => {
  const { unit, deps, progresses } = await worked(3);
  const { sql } = database.db;
  // The server ends it in the middle of the group's transaction, once; a sequence is not rolled back.
  await sql`create sequence ends`;
  await sql`
    create function end_once() returns trigger language plpgsql as $$ begin
      if nextval('ends') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
      return new;
    end $$`;
  await sql.unsafe(`create trigger end_once before update on strategy_executor.runs
    for each row when (new.session_id = '${IDS[1]}') execute function end_once()`);
  const commits = progresses.map((one): [OwnedUnit, Progress] => [unit, one]);
  const gone = "DATABASE_UNAVAILABLE";
  expect(await outcomesOf(deps, commits)).toEqual(["committed", gone, gone]);
  await sql`drop trigger end_once on strategy_executor.runs`;
});

test("a commit that waits for a row keeps the next ones only for a moment", async () => {
  const { unit, deps, progresses } = await worked(3);
  const [free, taken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = database.db.transaction(async ({ sql }) => {
    await sql`select 1 from reference.sessions where id = ${IDS[0] ?? ""} for update`;
    taken.resolve();
    await free.promise;
  });
  await taken.promise;
  const groups = new GroupCommits(deps);
  const [waits, ...next] = progresses.map((one) => groups.commit(unit, one));
  await Promise.all(next);
  // The row is held until the others stand: had they waited for it, the server would have ended the first one's wait.
  free.resolve();
  await Promise.all([waits, holding]);
  expect(await writers()).toBe(2);
});

test("a session that was paused before its candle's commit signals nothing, and its neighbours do", async () => {
  await crowd();
  const [paused = "", neighbour = ""] = IDS.slice(11);
  // The event of the pause has not come yet: the strategy still thinks that it may enter.
  const session = shardSession({ id: paused, state: "PAUSED", strategy: "long-at-two", version: 2 });
  await database.db.sql`
    update reference.sessions set state = 'PAUSED', session = ${database.db.sql.json(session as never)} where id = ${paused}`;
  showSecond();
  await Promise.all(IDS.map((id) => untilCandle(world, id, 2)));
  expect(signalsOf(world, paused)).toEqual([]);
  expect(signalsOf(world, neighbour)).toHaveLength(1);
  await replica?.deliver([sessionChanged(session)]);
});
