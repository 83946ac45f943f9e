import { write } from "#services/order-position-tracker/money/book-store.ts";
import { absentInMs } from "#services/order-position-tracker/orders/resolve-order.ts";
import type { Parts } from "#services/order-position-tracker/parts.ts";
import { clearAlert } from "#shared/alerts/alerts.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";
import { NEW_ERA } from "#shared/orders/order-state.ts";
import { alertOf, CODE } from "./new-ids.ts";

/**
 * Takes the history of an account whose ids have begun anew as closed: what it knows by the venue's ids stands under the era
 * that ends, the venue's lists are read from their beginning, and the account is ACTIVE. Of its open orders the venue is asked
 * first: those that it knows were made after its ids began anew and stay open, the others are EXPIRED.
 *
 * @throws AppError CONFLICT where its ids have not begun anew, or the venue may not list an order yet; the venue's failures.
 */
export async function beginEra(parts: Parts, accountId: string): Promise<void> {
  const { deps } = parts;
  await readHalted(deps.db, accountId);
  const known = await askForOpen(parts, accountId);
  await deps.db.transaction(async (tx) => {
    const { sql } = tx;
    const era = await readHalted(tx, accountId);
    const before = `era${era}:`;
    const open = await sql<{ data: Order }[]>`
      select data from order_position_tracker.orders where account_id = ${accountId} and is_open order by id for update`;
    const kept = open.filter(({ data }) => known.get(data.id) != null);
    for (const { data } of open) if (!kept.some((one) => one.data === data)) await expire(tx, parts, data);
    await sql`update order_position_tracker.fills set trade_id = ${before} || trade_id
      where account_id = ${accountId} and trade_id not like 'era%'`;
    await sql`update order_position_tracker.orders set venue_order_id = ${before} || venue_order_id
      where account_id = ${accountId} and venue_order_id not like 'era%'`;
    await sql`update order_position_tracker.orders set other_venue_order_ids = '{}'
      where account_id = ${accountId} and other_venue_order_ids <> '{}'`;
    await sql`update order_position_tracker.foreign_activity set venue_id = ${before} || venue_id
      where account_id = ${accountId} and venue_id not like 'era%'`;
    await sql`update order_position_tracker.unbooked set trade_id = ${before} || trade_id,
        discard_reason = coalesce(discard_reason, ${`${NEW_ERA}: its history is closed.`})
      where account_id = ${accountId} and trade_id not like 'era%'`;
    await sql`update order_position_tracker.ledger set reference = ${before} || reference
      where account_id = ${accountId} and kind in ('trade', 'fee') and reference not like 'era%'`;
    await sql`update order_position_tracker.fill_cursors set trade_id = null, at_ms = null, reached_end = true
      where account_id = ${accountId}`;
    const orders = kept.map(({ data }) => {
      const order = { ...data, venueOrderId: known.get(data.id)?.venueOrderId ?? null };
      return { order, filledQuote: null };
    });
    await write(tx, deps.clock.nowMs(), { orders });
    await sql`update reference.accounts set trading_state = 'ACTIVE', state_reason = null, era = era + 1,
      updated_at_ms = ${deps.clock.nowMs()} where id = ${accountId}`;
    await clearAlert(tx, deps, alertOf(accountId));
    tx.afterCommit(() => deps.log.info({ accountId, era: era + 1 }, "a new era of the account's ids"));
  });
}

/** The era of an account that is halted since its ids have begun anew; in a transaction its row is locked. */
async function readHalted({ sql }: { sql: Sql }, accountId: string): Promise<number> {
  const [account] = await sql<{ era: number }[]>`
    select era from reference.accounts where id = ${accountId} and state_reason like ${`${CODE}:%`} for update`;
  if (account !== undefined) return account.era;
  const message = `The account ${accountId} is not halted by ids that have begun anew.`;
  throw new AppError("CONFLICT", "permanent", message, { details: { accountId } });
}

/** What the venue knows of an account's open orders by our ids. An order that it may have and not list yet is waited for. */
async function askForOpen(parts: Parts, accountId: string): Promise<Map<string, VenueOrder | null>> {
  const { deps, instruments } = parts;
  const account = deps.exchanges.account(accountId);
  const rows = await deps.db.sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where account_id = ${accountId} and is_open order by id`;
  const known = new Map<string, VenueOrder | null>();
  for (const { data: order } of rows) {
    const { id, clientOrderId } = order;
    const askedAtMs = await account.serverTimeMs();
    const instrument = await instruments.byId(order.instrumentId);
    const found = await account.order({ instrument, clientOrderId });
    const waitMs = absentInMs(parts, order, { askedAtMs, order: found, fills: [], doubtful: false, unreadable: false });
    if (waitMs !== null && waitMs > 0) {
      const message = `The order ${clientOrderId} was sent a moment ago, and the venue may not list it yet: ask again in ${Math.ceil(waitMs / 1_000)} s.`;
      throw new AppError("CONFLICT", "permanent", message, { details: { accountId, clientOrderId, waitMs } });
    }
    known.set(id, found);
  }
  return known;
}

async function expire(tx: Tx, { recorder }: Parts, order: Order): Promise<void> {
  const reason = `${NEW_ERA}: the venue's ids have begun anew, and what it knew of the order is gone.`;
  await recorder.change(tx, order, { kind: "state", to: "EXPIRED", reason });
}
