import { clearAlert } from "#shared/alerts/alerts.ts";
import type { Order } from "#shared/domain/order.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { NEW_ERA } from "#shared/orders/order-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { alertOf, CODE } from "./new-ids.ts";
import type { Parts } from "./parts.ts";
import { createRecorder } from "./record-venue.ts";

/**
 * Takes the history of an account whose ids have begun anew as closed: what it knows by the venue's ids stands under the era
 * that ends, its open orders are EXPIRED, the venue's lists are read from their beginning, and the account is ACTIVE.
 *
 * @throws AppError CONFLICT where its ids have not begun anew.
 */
export async function beginEra(deps: Deps, parts: Pick<Parts, "instruments">, accountId: string): Promise<void> {
  const recorder = createRecorder(deps, parts.instruments);
  await deps.db.transaction(async (tx) => {
    const { sql } = tx;
    const [account] = await sql<{ era: number }[]>`
      select era from reference.accounts where id = ${accountId} and state_reason like ${`${CODE}:%`} for update`;
    if (account === undefined) {
      const message = `The account ${accountId} is not halted by ids that have begun anew.`;
      throw new AppError("CONFLICT", "permanent", message, { details: { accountId } });
    }
    const before = `era${account.era}:`;
    const open = await sql<{ data: Order }[]>`
      select data from order_position_tracker.orders where account_id = ${accountId} and is_open order by id for update`;
    for (const { data } of open) {
      const reason = `${NEW_ERA}: the venue's ids have begun anew, and what it knew of the order is gone.`;
      await recorder.change(tx, data, { kind: "state", to: "EXPIRED", reason });
    }
    await sql`update order_position_tracker.fills set trade_id = ${before} || trade_id
      where account_id = ${accountId} and trade_id not like 'era%'`;
    await sql`update order_position_tracker.orders set venue_order_id = ${before} || venue_order_id
      where account_id = ${accountId} and venue_order_id not like 'era%'`;
    await sql`update order_position_tracker.orders set other_venue_order_ids = '{}'
      where account_id = ${accountId} and other_venue_order_ids <> '{}'`;
    await sql`update order_position_tracker.foreign_activity set venue_id = ${before} || venue_id
      where account_id = ${accountId} and venue_id not like 'era%'`;
    await sql`update order_position_tracker.unbooked set trade_id = ${before} || trade_id
      where account_id = ${accountId} and trade_id not like 'era%'`;
    await sql`update order_position_tracker.ledger set reference = ${before} || reference
      where account_id = ${accountId} and kind in ('trade', 'fee') and reference not like 'era%'`;
    await sql`update order_position_tracker.fill_cursors set trade_id = null, at_ms = null, reached_end = true
      where account_id = ${accountId}`;
    await sql`update reference.accounts set trading_state = 'ACTIVE', state_reason = null, era = era + 1,
      updated_at_ms = ${deps.clock.nowMs()} where id = ${accountId}`;
    await clearAlert(tx, deps, alertOf(accountId));
    tx.afterCommit(() => deps.log.info({ accountId, era: account.era + 1 }, "a new era of the account's ids"));
  });
}
