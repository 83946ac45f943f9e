import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { lockOpenOrdersOfAccount, openOrdersOfAccount } from "#services/order-position-tracker/orders/order-store.ts";
import { absentInMs } from "#services/order-position-tracker/orders/trace-order.ts";
import { writeBooks } from "#services/order-position-tracker/record/book-store.ts";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { NEW_ERA } from "#shared/orders/order-state.ts";
import { activateInNewEra, closeHistory, lockHaltedEra } from "./era-store.ts";
import { IDS_BEGAN_ANEW, idsAlertOf } from "./new-ids.ts";

/**
 * Takes the history of an account whose ids have begun anew as closed: what it knows by the venue's ids stands under the era
 * that ends, the venue's lists are read from their beginning, and the account is ACTIVE. Of its open orders the venue is asked
 * first: those that it knows were made after its ids began anew and stay open, the others are EXPIRED.
 *
 * @throws AppError CONFLICT where its ids have not begun anew, or the venue may not list an order yet; the venue's failures.
 */
export async function beginEra(context: TrackerContext, accountId: string): Promise<void> {
  const { deps } = context;
  await readHalted(deps.db, accountId);
  const known = await askForOpen(context, accountId);
  await deps.db.transaction(async (tx) => {
    const era = await readHalted(tx, accountId);
    const open = await lockOpenOrdersOfAccount(tx, accountId);
    const kept = open.filter(({ id }) => known.get(id) != null);
    for (const order of open) if (!kept.includes(order)) await expire(tx, context, order);
    await closeHistory(tx, accountId, era);
    const orders = kept.map((order) => {
      return { order: { ...order, venueOrderId: known.get(order.id)?.venueOrderId ?? null }, filledQuote: null };
    });
    await writeBooks(tx, deps.clock.nowMs(), { orders });
    await activateInNewEra(tx, accountId, deps.clock.nowMs());
    await clearAlert(tx, deps, idsAlertOf(accountId));
    tx.afterCommit(() => deps.log.info({ accountId, era: era + 1 }, "a new era of the account's ids"));
  });
}

/** The era of an account that is halted since its ids have begun anew; in a transaction its row is locked. */
async function readHalted(db: { sql: Sql }, accountId: string): Promise<number> {
  const era = await lockHaltedEra(db, accountId, IDS_BEGAN_ANEW);
  if (era !== null) return era;
  const message = `The account ${accountId} is not halted by ids that have begun anew.`;
  throw new AppError("CONFLICT", "permanent", message, { details: { accountId } });
}

/** What the venue knows of an account's open orders by our ids. An order that it may have and not list yet is waited for. */
async function askForOpen(context: TrackerContext, accountId: string): Promise<Map<string, VenueOrder | null>> {
  const { deps, instruments } = context;
  const account = deps.exchanges.account(accountId);
  const known = new Map<string, VenueOrder | null>();
  for (const order of await openOrdersOfAccount(deps.db, accountId)) {
    const { id, clientOrderId } = order;
    const askedAtMs = await account.serverTimeMs();
    const instrument = await instruments.byId(order.instrumentId);
    const found = await account.order({ instrument, clientOrderId });
    const waitMs = absentInMs(context, order, {
      askedAtMs,
      order: found,
      fills: [],
      doubtful: false,
      unreadable: false,
    });
    if (waitMs !== null && waitMs > 0) {
      const message = `The order ${clientOrderId} was sent a moment ago, and the venue may not list it yet: ask again in ${Math.ceil(waitMs / 1_000)} s.`;
      throw new AppError("CONFLICT", "permanent", message, { details: { accountId, clientOrderId, waitMs } });
    }
    known.set(id, found);
  }
  return known;
}

async function expire(tx: Tx, { recorder }: TrackerContext, order: Order): Promise<void> {
  const reason = codedReason(NEW_ERA, "the venue's ids have begun anew, and what it knew of the order is gone.");
  await recorder.change(tx, order, { kind: "state", to: "EXPIRED", reason });
}
