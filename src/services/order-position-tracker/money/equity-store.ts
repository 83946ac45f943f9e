import type { Sql } from "#shared/db/db.ts";
import type { Candle } from "#shared/domain/candle.ts";

export type Series = Pick<Candle, "instrumentId" | "timeFrame">;

/** Which sessions of a series are meant, of those that stand just before a candle. */
export type Which =
  /** All but these, waiting for who holds their rows. */
  | { but: readonly string[] }
  /** Of these those whose rows nobody holds. */
  | { only: readonly string[] };

/** Writes the points of sessions of a series that stand just before this candle. Gives those that were written. */
export async function writePoints({ sql }: { sql: Sql }, candle: Candle, which: Which): Promise<string[]> {
  const { instrumentId, timeFrame, n, closeAtMs, close } = candle;
  const meant =
    "but" in which
      ? sql`session_id <> all(${[...which.but]})`
      : sql`session_id in (select session_id from order_position_tracker.equity_cursors
          where session_id = any(${[...which.only]}) and candle_n = ${n - 1} for update skip locked)`;
  const rows = await sql<{ session_id: string }[]>`
    with moved as (
      update order_position_tracker.equity_cursors set candle_n = ${n}, candle_close_at_ms = ${closeAtMs}
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and active and candle_n = ${n - 1} and ${meant}
      returning session_id, instrument_id, quote),
    written as (
      insert into order_position_tracker.equity_points (session_id, candle_n, close_at_ms, equity, cash, position, close)
      select m.session_id, ${n}, ${closeAtMs}, cash.amount + held.size * ${close}::numeric, cash.amount, held.size, ${close}::numeric
      from moved m
      cross join lateral (select coalesce(sum(amount), 0) as amount from order_position_tracker.balances
        where session_id = m.session_id and asset = m.quote) cash
      cross join lateral (select coalesce(sum(size), 0) as size from order_position_tracker.positions
        where session_id = m.session_id and instrument_id = m.instrument_id) held
      on conflict do nothing)
    select session_id from moved`;
  return rows.map((row) => row.session_id);
}

/** The number of the candle that the slowest session of a series stands at, but for these. Null: no session follows it. */
export async function slowest({ sql }: { sql: Sql }, series: Series, but: readonly string[]): Promise<number | null> {
  const rows = await sql<{ n: number | null }[]>`
    select min(candle_n) as n from order_position_tracker.equity_cursors
    where instrument_id = ${series.instrumentId} and time_frame = ${series.timeFrame} and active
      and session_id <> all(${[...but]})`;
  return rows[0]?.n ?? null;
}

/** The sessions of a series that stand at this candle. */
export async function standingAt({ sql }: { sql: Sql }, series: Series, n: number): Promise<string[]> {
  const rows = await sql<{ session_id: string }[]>`
    select session_id from order_position_tracker.equity_cursors
    where instrument_id = ${series.instrumentId} and time_frame = ${series.timeFrame} and active and candle_n = ${n}
    order by session_id`;
  return rows.map((row) => row.session_id);
}

/** The candle that a session stands at. Null: it follows none. */
export async function readCursor({ sql }: { sql: Sql }, sessionId: string): Promise<number | null> {
  const rows = await sql<{ n: number }[]>`
    select candle_n as n from order_position_tracker.equity_cursors where session_id = ${sessionId} and active`;
  return rows[0]?.n ?? null;
}

/** The scopes of the alerts about sessions of a series that have come to this candle, or follow it no more. */
export async function toldAndOver({ sql }: { sql: Sql }, series: Series, n: number): Promise<string[]> {
  const rows = await sql<{ scope: string }[]>`
    select a.scope from alerts.open a
    join order_position_tracker.equity_cursors c on a.scope = 'session:' || c.session_id
    where a.code = 'EQUITY_NOT_WRITTEN' and c.instrument_id = ${series.instrumentId}
      and c.time_frame = ${series.timeFrame} and (not c.active or c.candle_n >= ${n}) order by a.scope`;
  return rows.map(({ scope }) => scope);
}
