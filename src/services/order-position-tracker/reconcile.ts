import type { Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { VenueAccount, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import { moveFillCursor, readFillCursor } from "./fill-cursor.ts";
import { reportForeign } from "./foreign.ts";
import { knownIds, openOrders, ordersWithoutVenueId } from "./order-store.ts";
import type { Parts } from "./parts.ts";

const PAGE = 500;

/** Runs first in each transaction of a reconciliation; throws when its owner may not write any more. */
export type Fence = (tx: Tx) => Promise<void>;

/** Compares one instrument of an account with the venue: fills since the last that was read, then states of open orders. */
export async function reconcileInstrument(parts: Parts, accountId: string, instrument: Instrument, fence: Fence) {
  const account = parts.deps.exchanges.account(accountId);
  await reconcileFills(parts, account, instrument, fence);
  // The venue may execute between the two questions: then its states speak of fills that have to be read first.
  for (let round = 0; round < 3; round += 1) {
    if (!(await reconcileStates(parts, account, instrument, fence))) return;
    await reconcileFills(parts, account, instrument, fence);
  }
}

async function reconcileFills(
  parts: Parts,
  account: VenueAccount,
  instrument: Instrument,
  fence: Fence,
): Promise<void> {
  const { deps, recorder } = parts;
  const { accountId } = account;
  for (;;) {
    const cursor = await readFillCursor(deps.db, accountId, instrument.id);
    const from = cursor?.tradeId ?? null;
    const page = await account.fills({ instrument, limit: PAGE, ...(from === null ? {} : { fromId: from }) });
    const fills = page.filter((fill) => fill.tradeId !== from);
    const isFirstReading = cursor?.reachedEnd !== true;
    if (fills.length === 0 && !isFirstReading) return;
    const reachedEnd = page.length < PAGE;
    const word = await recorder.hear(accountId, { fills: await attribute(parts, account, instrument, fills) });
    await deps.db.transaction(async (tx) => {
      await fence(tx);
      const recorded = await recorder.record(tx, word);
      await reportForeign(tx, parts, { accountId, foreign: recorded.foreign, silent: isFirstReading });
      const to = fills.at(-1)?.tradeId ?? from;
      await moveFillCursor(tx, { accountId, instrumentId: instrument.id, from, to, reachedEnd });
    });
    if (reachedEnd) return;
  }
}

/** Binance's list of fills names orders by the venue's id alone: orders whose id is not known here are asked for. */
async function attribute(
  { deps }: Parts,
  account: VenueAccount,
  instrument: Instrument,
  fills: readonly VenueFill[],
): Promise<VenueFill[]> {
  const { accountId } = account;
  const venueOrderIds = [...new Set(fills.map((fill) => fill.venueOrderId))];
  if (venueOrderIds.length === 0) return [];
  const instrumentIds = [instrument.id];
  const known = await knownIds(deps.db, { accountId, clientOrderIds: [], instrumentIds, venueOrderIds });
  const strange = new Set(venueOrderIds.filter((id) => !known.venue.has(id)));
  if (strange.size === 0) return [...fills];
  const learnt = new Map<string, string>();
  const nowMs = deps.clock.nowMs();
  for (const { clientOrderId } of await ordersWithoutVenueId(deps.db, {
    accountId,
    instrumentId: instrument.id,
    nowMs,
  })) {
    const found = await account.order({ instrument, clientOrderId });
    if (found === null) continue;
    learnt.set(found.venueOrderId, clientOrderId);
    strange.delete(found.venueOrderId);
    if (strange.size === 0) break;
  }
  return fills.map((fill) => {
    const clientOrderId = fill.clientOrderId ?? learnt.get(fill.venueOrderId);
    return clientOrderId === undefined ? fill : { ...fill, clientOrderId };
  });
}

const WITH_A_WORKER: ReadonlySet<string> = new Set(["INITIALIZED", "SUBMITTED", "UNKNOWN"]);

/** Whether the venue speaks of fills that are not booked yet. */
async function reconcileStates(
  parts: Parts,
  account: VenueAccount,
  instrument: Instrument,
  fence: Fence,
): Promise<boolean> {
  const { deps, recorder } = parts;
  const { accountId } = account;
  const ours = (await openOrders(deps.db, accountId, instrument.id)).filter(({ state }) => !WITH_A_WORKER.has(state));
  const listed = await account.openOrders(instrument);
  const byClientId = new Map(listed.map((order) => [order.clientOrderId, order]));
  const said: VenueOrder[] = [];
  let fillsMissing = false;
  for (const order of ours) {
    const { clientOrderId } = order;
    const found = byClientId.get(clientOrderId) ?? (await account.order({ instrument, clientOrderId }));
    if (found === null) {
      deps.log.warn({ orderId: order.id }, "an open order is not known to the venue");
      continue;
    }
    const reading = readVenueOrder(order, found);
    if (reading.kind === "fills-missing") fillsMissing = true;
    if (reading.kind === "event") said.push(found);
  }
  const foreign = await foreignOrders(parts, accountId, listed);
  if (said.length > 0 || foreign.length > 0) {
    const word = await recorder.hear(accountId, { orders: said });
    await deps.db.transaction(async (tx) => {
      await fence(tx);
      await recorder.record(tx, word);
      await reportForeign(tx, parts, { accountId, foreign: { orders: foreign, fills: [] }, silent: false });
    });
  }
  return fillsMissing;
}

async function foreignOrders({ deps }: Parts, accountId: string, listed: readonly VenueOrder[]): Promise<VenueOrder[]> {
  if (listed.length === 0) return [];
  const clientOrderIds = listed.map((order) => order.clientOrderId);
  const known = await knownIds(deps.db, { accountId, clientOrderIds, instrumentIds: [], venueOrderIds: [] });
  const strange = listed.filter((order) => !known.client.has(order.clientOrderId));
  if (strange.length === 0) return [];
  const seen = await deps.db.sql<{ venue_id: string }[]>`
    select venue_id from order_position_tracker.foreign_activity
    where account_id = ${accountId} and kind = 'order' and venue_id = any(${strange.map((one) => one.venueOrderId)})`;
  return strange.filter((order) => !seen.some((row) => row.venue_id === order.venueOrderId));
}
