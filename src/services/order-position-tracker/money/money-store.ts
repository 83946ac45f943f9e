import type { Tx } from "#shared/db/db.ts";

/** Locks the balances of sessions until the transaction ends, in the order of all who do: while they are, nothing of them is booked. */
export async function lockBalances({ sql }: Tx, sessionIds: readonly string[]): Promise<void> {
  await sql`
    select 1 from order_position_tracker.balances
    where session_id = any(${[...sessionIds]}) order by session_id, asset for update`;
}

/** What was paid into a session so far. */
export async function paidIn({ sql }: Tx, sessionId: string): Promise<string> {
  const rows = await sql<{ amount: string }[]>`
    select coalesce(sum(amount), 0) as amount from order_position_tracker.ledger
    where session_id = ${sessionId} and kind = 'capital'`;
  return rows[0]?.amount ?? "0";
}
