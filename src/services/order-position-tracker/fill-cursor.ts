import type { Sql } from "#shared/db/db.ts";

/** How far the venue's list of fills was read, and whether it was once read to its end. Null: never. */
export async function readFillCursor(
  { sql }: { sql: Sql },
  accountId: string,
  instrumentId: string,
): Promise<{ tradeId: string | null; caughtUp: boolean } | null> {
  const rows = await sql<{ trade_id: string | null; caught_up: boolean }[]>`
    select trade_id, caught_up from order_position_tracker.fill_cursors
    where account_id = ${accountId} and instrument_id = ${instrumentId}`;
  return rows[0] === undefined ? null : { tradeId: rows[0].trade_id, caughtUp: rows[0].caught_up };
}

/** Moves the cursor from where it was; when someone else has moved it, theirs stands. */
export async function moveFillCursor(
  { sql }: { sql: Sql },
  move: { accountId: string; instrumentId: string; from: string | null; to: string | null; atEnd: boolean },
): Promise<void> {
  const { accountId, instrumentId, from, to, atEnd } = move;
  await sql`
    insert into order_position_tracker.fill_cursors as c (account_id, instrument_id, trade_id, caught_up)
    values (${accountId}, ${instrumentId}, ${to}, ${atEnd})
    on conflict (account_id, instrument_id) do update set trade_id = excluded.trade_id,
      caught_up = c.caught_up or excluded.caught_up
    where c.trade_id is not distinct from ${from}`;
}

/** The instruments of an account whose fills are followed. */
export async function followedInstruments({ sql }: { sql: Sql }, accountId: string): Promise<string[]> {
  const rows = await sql<{ instrument_id: string }[]>`
    select instrument_id from order_position_tracker.fill_cursors where account_id = ${accountId} order by instrument_id`;
  return rows.map((row) => row.instrument_id);
}
