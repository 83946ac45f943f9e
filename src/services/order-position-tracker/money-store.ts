import {
  NO_POSITION,
  type PositionJson,
  type PositionState,
  positionFromJson,
  positionToJson,
} from "#shared/accounting/position.ts";
import type { Tx } from "#shared/db/db.ts";
import { type Decimal, plain } from "#shared/domain/decimal.ts";
import type { Position } from "#shared/messages/topics.ts";
import type { LedgerEntry } from "./ledger.ts";
import { matching, type OrderKeys } from "./order-store.ts";

interface PositionRow extends Omit<PositionJson, "averageEntry" | "realizedProfit"> {
  session_id: string;
  instrument_id: string;
  average_entry: string | null;
  realized_profit: string;
}

/**
 * Locks the balances of the sessions whose orders have these keys, then reads their positions: so two transactions never
 * change the money of a session at once. Call it behind `lockOrders`, without waiting in between.
 */
export async function lockMoney(
  { sql }: Tx,
  keys: OrderKeys,
): Promise<(sessionId: string, id: string) => PositionState> {
  const sessions = sql`select session_id from order_position_tracker.orders where ${matching(sql, keys)}`;
  const [, rows] = await Promise.all([
    sql`select 1 from order_position_tracker.balances where session_id in (${sessions})
      order by session_id, asset for update`,
    sql<PositionRow[]>`
      select session_id, instrument_id, size, average_entry, realized_profit, fees from order_position_tracker.positions
      where session_id in (${sessions})`,
  ]);
  return (sessionId, instrumentId) => {
    const row = rows.find((one) => one.session_id === sessionId && one.instrument_id === instrumentId);
    if (row === undefined) return NO_POSITION;
    const { size, fees, average_entry: averageEntry, realized_profit: realizedProfit } = row;
    return positionFromJson({ size, fees, averageEntry, realizedProfit });
  };
}

/** A position as events and REST show it. */
export function toPosition(
  position: PositionState,
  of: { sessionId: string; accountId: string; instrumentId: string; updatedAtMs: number },
): Position {
  return { ...of, ...positionToJson(position) };
}

export async function upsertPosition({ sql }: Tx, position: Position): Promise<void> {
  const { sessionId, instrumentId, accountId, size, averageEntry, realizedProfit, fees, updatedAtMs } = position;
  await sql`
    insert into order_position_tracker.positions (session_id, instrument_id, account_id, size, average_entry,
      realized_profit, fees, updated_at_ms)
    values (${sessionId}, ${instrumentId}, ${accountId}, ${size}, ${averageEntry}, ${realizedProfit}, ${sql.json(fees)},
      ${updatedAtMs})
    on conflict (session_id, instrument_id) do update set size = excluded.size, average_entry = excluded.average_entry,
      realized_profit = excluded.realized_profit, fees = excluded.fees, updated_at_ms = excluded.updated_at_ms`;
}

/** Writes an entry and moves the balance by it, in one statement: an entry that is there already moves nothing. */
export async function writeEntry(
  { sql }: Tx,
  entry: LedgerEntry & { sessionId: string; accountId: string; reference: string; atMs: number },
): Promise<void> {
  const { sessionId, accountId, asset, kind, reference, atMs } = entry;
  await sql`
    with written as (
      insert into order_position_tracker.ledger (session_id, account_id, asset, kind, reference, amount, at_ms)
      values (${sessionId}, ${accountId}, ${asset}, ${kind}, ${reference}, ${plain(entry.amount)}, ${atMs})
      on conflict do nothing returning session_id, account_id, asset, amount)
    insert into order_position_tracker.balances (session_id, account_id, asset, amount)
    select session_id, account_id, asset, amount from written
    on conflict (session_id, asset) do update set amount = order_position_tracker.balances.amount + excluded.amount`;
}

/** What was paid into a session so far. */
export async function paidIn({ sql }: Tx, sessionId: string): Promise<string> {
  const rows = await sql<{ amount: string }[]>`
    select coalesce(sum(amount), 0) as amount from order_position_tracker.ledger
    where session_id = ${sessionId} and kind = 'capital'`;
  return rows[0]?.amount ?? "0";
}

/** Whether a position is there before and after a change, in the words of its events. */
export function positionEvent(
  before: Decimal,
  after: Decimal,
): "position.opened" | "position.changed" | "position.closed" {
  if (after.isZero()) return "position.closed";
  return before.isZero() ? "position.opened" : "position.changed";
}
