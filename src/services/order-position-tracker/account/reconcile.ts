import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { endIfLost } from "#services/order-position-tracker/orders/lost-order.ts";
import {
  endedUnheard,
  knownIds,
  lockOrder,
  noteKnown,
  openOrdersOfInstrument,
} from "#services/order-position-tracker/orders/order-store.ts";
import { fillsOfOrder } from "#services/order-position-tracker/orders/trace-order.ts";
import { attribute } from "#services/order-position-tracker/record/attribute.ts";
import { beganAnew } from "#services/order-position-tracker/record/book-store.ts";
import { reportForeign } from "#services/order-position-tracker/record/foreign.ts";
import { unseenOrders } from "#services/order-position-tracker/record/foreign-store.ts";
import { failsByContent, keepUnbooked } from "#services/order-position-tracker/record/unbooked.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Order } from "#shared/domain/order.ts";
import { AppError, hasCode, messageOf } from "#shared/errors/app-error.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import type { UnreadableFill, VenueAccount, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { isTerminal } from "#shared/orders/order-state.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import { moveFillCursor, readFillCursor } from "./fill-cursor-store.ts";
import { haltForNewIds } from "./new-ids.ts";

const PAGE = 500;

/** Runs first in each transaction of a reconciliation; throws when its owner may not write any more. */
export type Fence = (tx: Tx) => Promise<void>;

/** Compares one instrument of an account with the venue: fills since the last that was read, then states of open orders. */
export async function reconcileInstrument(
  context: TrackerContext,
  accountId: string,
  instrument: Instrument,
  fence: Fence,
) {
  const account = context.deps.exchanges.account(accountId);
  await reconcileFills(context, account, instrument, fence);
  // The venue may execute between the two questions: then its states speak of fills that have to be read first.
  for (let round = 0; round < 3; round += 1) {
    const incomplete = await reconcileStates(context, account, instrument, fence);
    if (incomplete.length === 0) return;
    await reconcileFills(context, account, instrument, fence);
    if (round > 0) await bookFillsOf(context, account, { instrument, orders: incomplete, fence });
  }
}

/** Fills that are not behind the cursor, although the venue speaks of them: they are asked for by their orders. */
async function bookFillsOf(
  { deps, recorder }: TrackerContext,
  account: VenueAccount,
  { instrument, orders, fence }: { instrument: Instrument; orders: readonly VenueOrder[]; fence: Fence },
): Promise<void> {
  for (const { venueOrderId, clientOrderId } of orders) {
    const fills = await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId });
    const report = await recorder.prepare(account.accountId, { fills });
    await deps.db.transaction(async (tx) => {
      await fence(tx);
      await recorder.record(tx, report, { listed: true });
    });
  }
}

async function reconcileFills(
  context: TrackerContext,
  account: VenueAccount,
  instrument: Instrument,
  fence: Fence,
): Promise<void> {
  const { deps } = context;
  const { accountId } = account;
  for (;;) {
    const cursor = await readFillCursor(deps.db, accountId, instrument.id);
    const from = cursor?.tradeId ?? null;
    const page = await account.fills({ instrument, limit: PAGE, ...(from === null ? {} : { fromId: from }) });
    const said = page.fills.map((fill) => ({ ...fill, instrumentId: instrument.id }));
    if (page.fills.length > 0 && (await beganAnew(deps.db, accountId, said)) !== null) {
      await haltForNewIds(deps, accountId, instrument.id);
      throw new AppError("CONFLICT", "permanent", `The trade ids of ${instrument.id} have begun anew at the venue.`);
    }
    const fills = page.fills.filter((fill) => fill.tradeId !== from);
    const unreadable = page.unreadable.filter(({ tradeId }) => tradeId !== from);
    const isFirstReading = cursor?.reachedEnd !== true;
    if (fills.length + unreadable.length === 0 && !isFirstReading) return;
    const reachedEnd = page.rows < PAGE;
    const { fills: told, open } = await attribute(context, account, { instrument, fills, isHistory: isFirstReading });
    // What is not known to be anyone's yet is read again with the next reconciliation, and all behind it.
    const cut = told.findIndex(({ venueOrderId }) => open.has(venueOrderId));
    const isCut = cut >= 0;
    const known = isCut ? told.slice(0, cut) : told;
    const to = (isCut ? known.at(-1)?.tradeId : page.lastId) ?? from;
    const atMs = known.findLast(({ tradeId }) => tradeId === to)?.atMs ?? null;
    const move = { accountId, instrumentId: instrument.id, from, to, atMs, reachedEnd };
    const reading = { fills: known, unreadable: isCut ? [] : unreadable, move, silent: isFirstReading };
    await bookReading(context, { instrument, fence, ...reading });
    if (reachedEnd || isCut) return;
  }
}

/** What was read of the venue's list of fills, and where its cursor goes with it. */
interface Reading {
  instrument: Instrument;
  fence: Fence;
  fills: readonly VenueFill[];
  unreadable: readonly UnreadableFill[];
  move: Parameters<typeof moveFillCursor>[1];
  silent: boolean;
}

/** Books a reading in one transaction; where one of its fills cannot be booked, each in its own, and that one is kept as it is. */
async function bookReading(context: TrackerContext, reading: Reading): Promise<void> {
  const { deps } = context;
  try {
    await bookAtOnce(context, reading);
  } catch (error) {
    if (hasCode(error, "FENCED") || !failsByContent(error)) throw error;
    const { move } = reading;
    let from = move.from;
    // First, where the cursor is: should this process die on the way, they are not passed over.
    await bookAtOnce(context, { ...reading, fills: [], move: { ...move, to: from, atMs: null, reachedEnd: false } });
    for (const fill of reading.fills) {
      const one = {
        ...reading,
        unreadable: [],
        move: { ...move, from, to: fill.tradeId, atMs: fill.atMs, reachedEnd: false },
      };
      await bookAtOnce(context, { ...one, fills: [fill] }).catch(async (cause: unknown) => {
        if (hasCode(cause, "FENCED") || !failsByContent(cause)) throw cause;
        deps.log.error({ tradeId: fill.tradeId, reason: messageOf(cause) }, "a fill can not be booked");
        const { tradeId, venueOrderId } = fill;
        const kept = { tradeId, venueOrderId, raw: JSON.stringify(fill), reason: storableText(cause) };
        await bookAtOnce(context, { ...one, fills: [], unreadable: [kept] });
      });
      from = fill.tradeId;
    }
    await bookAtOnce(context, { ...reading, fills: [], unreadable: [], move: { ...move, from } });
  }
}

async function bookAtOnce(context: TrackerContext, reading: Reading): Promise<void> {
  const { deps, recorder } = context;
  const { fills, unreadable, move, silent, instrument, fence } = reading;
  const { accountId } = move;
  const report = await recorder.prepare(accountId, { fills });
  await deps.db.transaction(async (tx) => {
    await fence(tx);
    const recorded = await recorder.record(tx, report, { silent, listed: true });
    await reportForeign(tx, context, { accountId, foreign: recorded.foreign, silent });
    for (const row of unreadable) await keepUnbooked(tx, deps, { accountId, instrument, row, silent, listed: true });
    await moveFillCursor(tx, move);
  });
}

const WITH_A_WORKER: ReadonlySet<string> = new Set(["INITIALIZED", "SUBMITTED", "UNKNOWN"]);

/** Gives the orders that the venue has executed more of than is booked. */
async function reconcileStates(
  context: TrackerContext,
  account: VenueAccount,
  instrument: Instrument,
  fence: Fence,
): Promise<readonly VenueOrder[]> {
  const { deps, recorder } = context;
  const { accountId } = account;
  const open = await openOrdersOfInstrument(deps.db, accountId, instrument.id);
  const ours = open.filter(({ order }) => !WITH_A_WORKER.has(order.state));
  const listed = await account.openOrders(instrument);
  const said: VenueOrder[] = [];
  const known: string[] = [];
  let incomplete: readonly VenueOrder[] = [];
  for (const { order, isMissing } of ours) {
    const { found, second } = await findOrder(account, instrument, { order, listed });
    if (second !== null) said.push(second);
    if (found === null) {
      await missing(context, account, { instrument, order, fence });
      continue;
    }
    if (isMissing) known.push(order.id);
    if (readVenueOrder(order, found).kind !== "nothing") said.push(found);
  }
  const { foreign, again } = await unexpectedOrders(context, accountId, { instrument, listed });
  said.push(...again.filter((order) => !said.includes(order)));
  if (known.length + said.length + foreign.length > 0) {
    const report = await recorder.prepare(accountId, { orders: said });
    await deps.db.transaction(async (tx) => {
      await fence(tx);
      await noteKnown(tx, known);
      incomplete = (await recorder.record(tx, report)).incomplete;
      await reportForeign(tx, context, { accountId, foreign: { orders: foreign, fills: [] }, silent: false });
    });
  }
  return incomplete;
}

/** What the venue knows as an order of ours, and (`second`) what it has made of the same intent besides. */
async function findOrder(
  account: VenueAccount,
  instrument: Instrument,
  { order, listed }: { order: Order; listed: readonly VenueOrder[] },
): Promise<{ found: VenueOrder | null; second: VenueOrder | null }> {
  const { clientOrderId, venueOrderId } = order;
  const isIt = (one: VenueOrder) => venueOrderId === null || one.venueOrderId === venueOrderId;
  const open = listed.find((one) => one.clientOrderId === clientOrderId && isIt(one));
  if (open !== undefined) return { found: open, second: null };
  const newest = await account.order({ instrument, clientOrderId });
  if (newest === null || venueOrderId === null || isIt(newest)) return { found: newest, second: null };
  return { found: await account.orderByVenueId({ instrument, venueOrderId }), second: newest };
}

/** The venue does not know an order that is open here: what of it is in its list of fills is booked, and it may be lost. */
async function missing(
  context: TrackerContext,
  account: VenueAccount,
  { instrument, order, fence }: { instrument: Instrument; order: Order; fence: Fence },
): Promise<void> {
  const { deps, recorder } = context;
  const { accountId, clientOrderId, venueOrderId } = order;
  // One that it has never accepted is with a worker: its cancel waits for the proof.
  if (venueOrderId === null) return;
  const askedAtMs = deps.clock.nowMs();
  const fills = await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId });
  const report = await recorder.prepare(accountId, { fills });
  await deps.db.transaction(async (tx) => {
    await fence(tx);
    const recorded = await recorder.record(tx, report, { listed: true });
    const now = recorded.orders.get(order.id) ?? (await lockOrder(tx, order.id));
    if (now !== null && !isTerminal(now.state)) await endIfLost(tx, context, now, askedAtMs);
  });
}

/**
 * The open orders of the venue that should not be there. `foreign`: nobody here made them, and they were not seen before.
 * `again`: they carry an id of ours, but its order has ended here without the venue's word, or is another one at the venue.
 */
async function unexpectedOrders(
  { deps }: TrackerContext,
  accountId: string,
  { instrument, listed }: { instrument: Instrument; listed: readonly VenueOrder[] },
): Promise<{ foreign: VenueOrder[]; again: VenueOrder[] }> {
  if (listed.length === 0) return { foreign: [], again: [] };
  const clientOrderIds = listed.map((order) => order.clientOrderId);
  const venueOrderIds = listed.map((order) => order.venueOrderId);
  const keys = { accountId, clientOrderIds, instrumentIds: [instrument.id], venueOrderIds };
  const known = await knownIds(deps.db, keys);
  const ended = await endedUnheard(deps.db, accountId, clientOrderIds);
  const again = listed.filter(({ clientOrderId, venueOrderId }) => {
    return ended.has(clientOrderId) || (known.client.has(clientOrderId) && !known.venue.has(venueOrderId));
  });
  const strange = listed.filter((order) => !known.client.has(order.clientOrderId));
  if (strange.length === 0) return { foreign: [], again };
  return { foreign: await unseenOrders(deps.db, accountId, strange), again };
}
