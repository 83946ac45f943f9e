import { readFillCursor } from "#services/order-position-tracker/account/fill-cursor-store.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { attribute } from "#services/order-position-tracker/record/attribute.ts";
import { mayBeUnbooked } from "#services/order-position-tracker/record/unbooked-store.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Order } from "#shared/domain/order.ts";
import type { UnreadableFill, VenueAccount, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";

/** What the venue knows of an order. `askedAtMs`: its server clock before it was asked. */
export interface Trace {
  askedAtMs: number;
  order: VenueOrder | null;
  fills: VenueFill[];
  /** The venue does not know the order, but its list has fills that could be this order's, and whose they are is not known yet. */
  doubtful: boolean;
  /** The same of fills that can not be read: whose they are will not be known. */
  unreadable: boolean;
}

/**
 * Asks the venue for an order and its fills; its server clock first. Where it does not know the order, the fills behind the
 * cursor are looked at: whose they are is asked for too.
 */
export async function traceOrder(context: TrackerContext, order: Order): Promise<Trace> {
  const account = context.deps.exchanges.account(order.accountId);
  const instrument = await context.instruments.byId(order.instrumentId);
  const askedAtMs = await account.serverTimeMs();
  const { clientOrderId } = order;
  const found = await account.order({ instrument, clientOrderId });
  const venueOrderIds = new Set([order.venueOrderId, found?.venueOrderId ?? null]);
  const own: VenueFill[] = [];
  for (const venueOrderId of venueOrderIds) {
    if (venueOrderId !== null) own.push(...(await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId })));
  }
  if (found !== null || own.length > 0)
    return { askedAtMs, order: found, fills: own, doubtful: false, unreadable: false };
  return { askedAtMs, order: null, ...(await lookThroughFills(context, account, { order, instrument })) };
}

/** All fills of an order of the venue, called by our id. */
export async function fillsOfOrder(
  account: VenueAccount,
  of: { instrument: Instrument; venueOrderId: string; clientOrderId: string },
): Promise<VenueFill[]> {
  const { instrument, venueOrderId, clientOrderId } = of;
  const { fills } = await allFills(account, { instrument, venueOrderId });
  return fills.map((fill) => ({ ...fill, clientOrderId }));
}

/**
 * The fills behind the cursor that are the order's. Doubtful: one that could be its (on its side, not from before its
 * decision) is of an order of which it is not known yet whose it is. Unreadable: one that can not be booked may be its.
 */
async function lookThroughFills(
  context: TrackerContext,
  account: VenueAccount,
  { order, instrument }: { order: Order; instrument: Instrument },
): Promise<Pick<Trace, "fills" | "doubtful" | "unreadable">> {
  const { db } = context.deps;
  const { side, marketAtMs, clientOrderId } = order;
  const fromMs = marketAtMs - context.settings.R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS;
  const cursor = await readFillCursor(db, account.accountId, instrument.id);
  const listed = await allFills(account, {
    instrument,
    ...(cursor?.tradeId == null ? {} : { fromId: cursor.tradeId }),
  });
  const similar = listed.fills.filter((fill) => fill.side === side && fill.atMs >= fromMs);
  const { fills, open } = await attribute(context, account, { instrument, fills: similar, isHistory: false });
  const own = fills.filter((fill) => fill.clientOrderId === clientOrderId);
  const unreadable = own.length === 0 && (await mayBeUnbooked(db, order, listed.unreadable));
  return { fills: own, doubtful: own.length === 0 && open.size > 0, unreadable };
}

/** A whole list of fills, page by page. */
async function allFills(
  account: VenueAccount,
  query: { instrument: Instrument; fromId?: string; venueOrderId?: string },
): Promise<{ fills: VenueFill[]; unreadable: UnreadableFill[] }> {
  const limit = 500;
  const all: VenueFill[] = [];
  const unreadable: UnreadableFill[] = [];
  let { fromId } = query;
  for (;;) {
    const page = await account.fills({ ...query, limit, ...(fromId === undefined ? {} : { fromId }) });
    all.push(...page.fills.filter(({ tradeId }) => all.every((known) => known.tradeId !== tradeId)));
    unreadable.push(...page.unreadable);
    const { lastId } = page;
    if (page.rows < limit || lastId === null || lastId === fromId) return { fills: all, unreadable };
    fromId = lastId;
  }
}

/**
 * When an order that the venue does not know is proven absent. 0: it is. More: it may be after so many milliseconds, when it is
 * asked for again. Null: the venue knows it.
 *
 * By the venue's server clock two times have to be over before it is asked. One is the order's window with the allowed skew:
 * after it the venue takes the order no more. The other is how far its lists may lag: after it they have what it took. A fill
 * that may be the order's proves nothing until it is known whose it is.
 */
export function absentInMs(
  { deps, settings }: Pick<TrackerContext, "deps" | "settings">,
  order: Order,
  trace: Trace,
): number | null {
  if (trace.order !== null || trace.fills.length > 0) return null;
  const { R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: skewMs } = settings;
  if (trace.doubtful) return settings.R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS;
  const { exchanges } = deps;
  const lagMs = exchanges.listLagMs(exchanges.account(order.accountId).venue);
  const absentFromMs = (order.signedAtMs ?? 0) + (order.recvWindowMs ?? 0) + skewMs + lagMs;
  return Math.max(0, absentFromMs - trace.askedAtMs + 1);
}
