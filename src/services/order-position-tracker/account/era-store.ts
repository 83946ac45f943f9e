import type { Sql, Tx } from "#shared/db/db.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { NEW_ERA } from "#shared/orders/order-state.ts";

/** The era of an account that is halted with a reason of this code; in a transaction its row is locked. Null: it is not. */
export async function lockHaltedEra({ sql }: { sql: Sql }, accountId: string, code: string): Promise<number | null> {
  const [account] = await sql<{ era: number }[]>`
    select era from reference.accounts where id = ${accountId} and state_reason like ${`${code}:%`} for update`;
  return account?.era ?? null;
}

/** Puts all that is known by ids of the venue under the era that ends. The venue's lists are read from their beginning. */
export async function closeHistory({ sql }: Tx, accountId: string, era: number): Promise<void> {
  const before = `era${era}:`;
  await sql`update order_position_tracker.fills set trade_id = ${before} || trade_id
    where account_id = ${accountId} and trade_id not like 'era%'`;
  await sql`update order_position_tracker.orders set venue_order_id = ${before} || venue_order_id
    where account_id = ${accountId} and venue_order_id not like 'era%'`;
  await sql`update order_position_tracker.orders set other_venue_order_ids = '{}'
    where account_id = ${accountId} and other_venue_order_ids <> '{}'`;
  await sql`update order_position_tracker.foreign_activity set venue_id = ${before} || venue_id
    where account_id = ${accountId} and venue_id not like 'era%'`;
  await sql`update order_position_tracker.unbooked set trade_id = ${before} || trade_id,
      discard_reason = coalesce(discard_reason, ${codedReason(NEW_ERA, "its history is closed.")})
    where account_id = ${accountId} and trade_id not like 'era%'`;
  await sql`update order_position_tracker.ledger set reference = ${before} || reference
    where account_id = ${accountId} and kind in ('trade', 'fee') and reference not like 'era%'`;
  await sql`update order_position_tracker.fill_cursors set trade_id = null, at_ms = null, reached_end = true
    where account_id = ${accountId}`;
}

/** The account trades again, in its next era. */
export async function activateInNewEra({ sql }: Tx, accountId: string, atMs: number): Promise<void> {
  await sql`update reference.accounts set trading_state = 'ACTIVE', state_reason = null, era = era + 1,
    updated_at_ms = ${atMs} where id = ${accountId}`;
}
