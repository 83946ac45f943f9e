import type { Sql } from "#shared/db/db.ts";

/** How far the venue's list of fills was read. */
export interface FillCursor {
  tradeId: string | null;
  /** Whether the list's end was reached once: what lies beyond the cursor has come since then. */
  reachedEnd: boolean;
}

/** Null: the list was never read. */
export async function readFillCursor(
  { sql }: { sql: Sql },
  accountId: string,
  instrumentId: string,
): Promise<FillCursor | null> {
  const rows = await sql<FillCursor[]>`
    select trade_id as "tradeId", reached_end as "reachedEnd" from order_position_tracker.fill_cursors
    where account_id = ${accountId} and instrument_id = ${instrumentId}`;
  return rows[0] ?? null;
}

/** Moves the cursor from where it was; when someone else has moved it, theirs stands. An end that was reached stays so. */
export async function moveFillCursor(
  { sql }: { sql: Sql },
  move: {
    accountId: string;
    instrumentId: string;
    from: string | null;
    to: string | null;
    /** When the trade at `to` happened; null: as it was, or not known. */
    atMs: number | null;
    reachedEnd: boolean;
  },
): Promise<void> {
  const { accountId, instrumentId, from, to, atMs, reachedEnd } = move;
  await sql`
    insert into order_position_tracker.fill_cursors as c (account_id, instrument_id, trade_id, at_ms, reached_end)
    values (${accountId}, ${instrumentId}, ${to}, ${atMs}, ${reachedEnd})
    on conflict (account_id, instrument_id) do update
    set trade_id = excluded.trade_id, at_ms = coalesce(excluded.at_ms, case when c.trade_id is not distinct from excluded.trade_id then c.at_ms end),
      reached_end = c.reached_end or excluded.reached_end
    where c.trade_id is not distinct from ${from}`;
}

/** The instruments of an account whose fills are followed. */
export async function followedInstruments({ sql }: { sql: Sql }, accountId: string): Promise<string[]> {
  const rows = await sql<{ instrument_id: string }[]>`
    select instrument_id from order_position_tracker.fill_cursors where account_id = ${accountId} order by instrument_id`;
  return rows.map((row) => row.instrument_id);
}
