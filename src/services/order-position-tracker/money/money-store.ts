import { type PositionState, positionToJson } from "#shared/accounting/position.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Decimal } from "#shared/domain/decimal.ts";
import type { Position } from "#shared/messages/topics.ts";

/** Locks the balances of sessions until the transaction ends, in the order of all who do: while they are, nothing of them is booked. */
export async function lockBalances({ sql }: Tx, sessionIds: readonly string[]): Promise<void> {
  await sql`
    select 1 from order_position_tracker.balances
    where session_id = any(${[...sessionIds]}) order by session_id, asset for update`;
}

/** A position as events and REST show it. */
export function toPosition(
  position: PositionState,
  of: { sessionId: string; accountId: string; instrumentId: string; updatedAtMs: number },
): Position {
  return { ...of, ...positionToJson(position) };
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
