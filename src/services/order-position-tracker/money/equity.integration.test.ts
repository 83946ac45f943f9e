import { afterAll, beforeAll, expect, test } from "bun:test";
import { pino } from "pino";
import { createPool } from "#shared/db/postgres.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { Deps } from "#shared/service/service.ts";
import { createEquityCurve } from "./equity.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});

const LATER_MS = 60_000;
let nowMs = 1_000;

function candleOf(instrumentId: string, n: number): Candle {
  const prices = { open: "100", high: "100", low: "100", close: "100", volume: "1" };
  const series = { instrumentId, timeFrame: "1m", source: "bars" } as const;
  return { ...series, n, closed: true, openAtMs: n * 60_000, closeAtMs: (n + 1) * 60_000, ...prices, receivedAtMs: 1 };
}

/** A curve as a process has it, of a market whose candles are all kept. */
function curveOf() {
  const marketData = {
    candles: async ({ instrumentId, fromN, limit }: { instrumentId: string; fromN: number; limit: number }) =>
      Array.from({ length: limit }, (_, index) => candleOf(instrumentId, fromN + index)),
  };
  const deps = {
    db: database.db,
    log: pino({ level: "silent" }),
    clients: { marketData },
    clock: { nowMs: () => nowMs },
    bus: { publish: () => {} },
  };
  return createEquityCurve(deps as unknown as Deps);
}

async function addSessions(instrumentId: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await database.db.sql`
      insert into order_position_tracker.equity_cursors
        (session_id, instrument_id, time_frame, quote, active, candle_n, candle_close_at_ms)
      values (${id}, ${instrumentId}, '1m', 'USD', true, 0, 1)`;
  }
}

async function pointsOf(id: string): Promise<number[]> {
  const rows = await database.db.sql<{ n: number }[]>`
    select candle_n as n from order_position_tracker.equity_points where session_id = ${id} order by candle_n`;
  return rows.map(({ n }) => n);
}

async function alerted(instrumentId: string): Promise<string[]> {
  const rows = await database.db.sql<{ scope: string }[]>`
    select scope from alerts.open where code = 'EQUITY_NOT_WRITTEN' and data ->> 'instrumentId' = ${instrumentId}`;
  return rows.map(({ scope }) => scope);
}

/** Somebody else's transaction that holds the row of a session's cursor. */
async function hold(id: string): Promise<() => Promise<void>> {
  const pool = createPool(database.url, { maxConnections: 1, applicationName: "holder", idleTimeoutMs: 0 });
  const connection = await pool.reserve();
  await connection`begin`;
  await connection`select 1 from order_position_tracker.equity_cursors where session_id = ${id} for update`;
  return async () => {
    await connection`rollback`;
    connection.release();
    await pool.end({ timeout: 5 });
  };
}

/** Whatever writes a point of a session fails. */
async function refuse(id: string): Promise<() => Promise<void>> {
  const { sql } = database.db;
  await sql.unsafe(`
    create function refuse_point() returns trigger language plpgsql as
      $$ begin raise exception 'this point is refused' using errcode = '22P02'; end $$;
    create trigger refuse_point before insert on order_position_tracker.equity_points
      for each row when (new.session_id = '${id}') execute function refuse_point()`);
  return async () => void (await sql.unsafe("drop function refuse_point() cascade"));
}

test.each([
  ["is held by somebody else", hold],
  ["is refused", refuse],
])(
  "a session whose row %s keeps no other from its points, is told of once, and catches up",
  async (what, trouble) => {
    const instrumentId = `X/${what.length}.paper`;
    const ids = ["a", "b", "c", "d", "e"].map((letter) => `${letter}-${what.length}`);
    const [stuck, ...others] = ids as [string, ...string[]];
    await addSessions(instrumentId, ids);
    const mend = await trouble(stuck);
    const curve = curveOf();
    for (let n = 1; n <= 3; n += 1) await curve.follow([candleOf(instrumentId, n)]);
    for (const id of others) expect(await pointsOf(id)).toEqual([1, 2, 3]);
    expect(await pointsOf(stuck)).toEqual([]);
    expect(await alerted(instrumentId)).toEqual([]);
    nowMs += LATER_MS;
    await curve.follow([candleOf(instrumentId, 4)]);
    expect(await alerted(instrumentId)).toEqual([`session:${stuck}`]);
    await mend();
    nowMs += LATER_MS;
    await curve.follow([candleOf(instrumentId, 4)]);
    for (const id of ids) expect(await pointsOf(id)).toEqual([1, 2, 3, 4]);
    expect(await alerted(instrumentId)).toEqual([]);
  },
  30_000,
);

test("an alert that another process has raised ends once its session is written", async () => {
  const instrumentId = "Y/USD.paper";
  await addSessions(instrumentId, ["y"]);
  const mend = await refuse("y");
  const curve = curveOf();
  await curve.follow([candleOf(instrumentId, 1)]);
  nowMs += LATER_MS;
  await curve.follow([candleOf(instrumentId, 1)]);
  expect(await alerted(instrumentId)).toEqual(["session:y"]);
  await mend();
  await curveOf().follow([candleOf(instrumentId, 1)]);
  expect(await alerted(instrumentId)).toEqual([]);
});
