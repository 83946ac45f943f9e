import { afterAll, beforeAll, expect, test } from "bun:test";
import { postJson } from "#local/rest.ts";
import { eventually, type RunningProcess } from "#testing/alone.fixture.ts";
import { createSyntheticWorld, DEPOSITS, type SyntheticWorld } from "#testing/synthetic-world.fixture.ts";
import { readEngine, readVenue } from "./books.ts";
import { violations } from "./verdict.ts";

/** Three workers each of risk-manager and order-position-tracker, of which two each die in the middle of an order. */

const VENUE = ["paper-exchange", "data-collect", "market-data"];
const REST = ["strategy-executor", "session-manager"];
const SESSIONS = 4;
/** The first passing of the place at or after this order of a session ends the process that passes it. */
const DEATHS = [
  { point: "risk.decision-made", order: 3 },
  { point: "tracker.order-sent", order: 6 },
  { point: "risk.decision-made", order: 9 },
  { point: "tracker.intent-committed", order: 12 },
];
/** So far each session goes on after the last death. */
const LAST_ORDER = 16;
/** A lease runs out, the order's fate is asked for, and a lane is swept. */
const LONGEST_PAUSE_MS = 20_000;

let world: SyntheticWorld;
const workers: RunningProcess[] = [];

beforeAll(async () => {
  world = await createSyntheticWorld("workers", { together: [VENUE, REST], failpoints: DEATHS });
  await world.start(VENUE);
  for (const service of ["order-position-tracker", "risk-manager"]) {
    for (let count = 0; count < 3; count += 1) workers.push(await world.start([service], { extra: count > 0 }));
  }
  await world.start(REST);
}, 120_000);
afterAll(async () => {
  await world.close();
});

const isAlive = ({ pid }: RunningProcess) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** The longest time in which no order of a session was sent, by when each was. */
async function longestGapMs(): Promise<number> {
  const [row] = await world.database.db.sql<{ gap: number }[]>`
    select max(gap)::float8 as gap from (
      select (data ->> 'sentAtMs')::float8 - lag((data ->> 'sentAtMs')::float8) over (
        partition by session_id order by number) as gap
      from order_position_tracker.orders) g`;
  return row?.gap ?? 0;
}

test("two of three workers each die in mid-order: every signal is decided once, and the venue's ledger equals ours", async () => {
  const ids: string[] = [];
  for (let number = 0; number < SESSIONS; number += 1) ids.push(await world.startFlips(`flip ${number}`));
  const { sql } = world.database.db;
  await eventually(
    "each session has traded on behind the last death",
    async () => {
      const rows = await sql<{ number: number }[]>`
        select max(number) as number from order_position_tracker.orders where not is_open group by session_id`;
      return rows.length === SESSIONS && rows.every(({ number }) => number >= LAST_ORDER);
    },
    60_000,
  );
  expect(workers.map(isAlive).filter((alive) => alive)).toHaveLength(workers.length - DEATHS.length);
  const url = `${world.urls["session-manager"]}/api/session-manager/sessions/bulk`;
  await postJson(url, { action: "stop", ids }, { idempotencyKey: "stop all" });
  await eventually(
    "all is at rest",
    async () => {
      const [row] = await sql<{ open: number }[]>`
        select (select count(*) from queue.tasks where state = 'open')::int
          + (select count(*) from order_position_tracker.orders where is_open)::int
          + (select count(*) from reference.sessions where state <> 'STOPPED')::int as open`;
      return row?.open === 0;
    },
    60_000,
  );
  const undecided = await sql<{ id: string; decided: number; told: number }[]>`
    select s.id, coalesce(d.count, 0)::int as decided, coalesce(t.count, 0)::int as told
    from (select envelope -> 'data' ->> 'id' as id from bus.log where topic = 'signals' and type = 'signal.created') s
    left join (select signal_id, count(*) from risk_manager.decisions group by 1) d on d.signal_id = s.id
    left join (select envelope -> 'data' ->> 'signalId' as id, count(*) from bus.log
      where topic = 'signals' and type <> 'signal.created' group by 1) t on t.id = s.id
    where d.count is distinct from 1 or t.count is distinct from 1`;
  expect([...undecided]).toEqual([]);
  const subject = {
    instrumentId: world.instrumentId,
    accountId: world.accountId,
    access: world.access,
    deposits: DEPOSITS,
  };
  const engine = await readEngine(sql as never, subject);
  const span = { fromMs: engine.bars[0]?.openAtMs ?? 0, toMs: engine.bars.at(-1)?.openAtMs ?? 0 };
  const venue = await readVenue(subject, span);
  expect(violations(world.accountId, venue, engine)).toEqual([]);
  const [counts] = await sql<{ signals: number; orders: number }[]>`
    select (select count(*) from bus.log where topic = 'signals' and type = 'signal.created')::int as signals,
      (select count(*) from order_position_tracker.orders)::int as orders`;
  const pauseMs = Math.round(await longestGapMs());
  const figures = {
    workers: workers.length,
    deaths: DEATHS.length,
    ...counts,
    fills: engine.executions.length,
    pauseMs,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  expect(venue.executions.length).toBeGreaterThanOrEqual(SESSIONS * LAST_ORDER);
  expect(pauseMs).toBeLessThan(LONGEST_PAUSE_MS);
}, 300_000);
