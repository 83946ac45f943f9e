import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { firstSentAtMs, knownIds, secondOrders } from "#services/order-position-tracker/orders/order-store.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { VenueAccount, VenueFill } from "#shared/exchange/exchange.ts";
import { foreignOrderIds } from "./foreign-store.ts";

/** So many orders are asked for by the venue's ids at once; what is beyond that waits for the next time. */
const QUESTIONS_AT_ONCE = 50;

/** Fills with our client order ids where the venue's orders have one. */
export interface Attributed {
  fills: VenueFill[];
  /** The venue's ids of orders of which it is not known yet whose they are. */
  open: ReadonlySet<string>;
}

/**
 * Finds out which fills are ours. Binance's list names their orders by the venue's id alone. The venue is asked for each order
 * whose id is not known here, once: its client order id says whose it is. An order that the venue has executed may be missing
 * in its other lists for a while: until they are newer it stays `open`. Where the list is read for the first time (`isHistory`)
 * nothing is asked about what the account did before our first order.
 */
export async function attribute(
  context: TrackerContext,
  account: VenueAccount,
  of: { instrument: Instrument; fills: readonly VenueFill[]; isHistory: boolean },
): Promise<Attributed> {
  const { deps, serverClocks, settings } = context;
  const { instrument, fills, isHistory } = of;
  const { accountId, venue } = account;
  const named = new Map<string, string>();
  const open = new Set<string>();
  const newestMs = serverClocks.nowMs(accountId) - deps.exchanges.listLagMs(venue);
  const fromMs = isHistory ? await firstSentAtMs(deps.db, accountId, instrument.id) : 0;
  const skewMs = settings.R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS;
  const since = fills.filter(({ atMs }) => fromMs !== null && atMs >= fromMs - skewMs);
  const strange = await strangeOrders(context, { accountId, instrument, fills: since, named });
  for (const venueOrderId of strange.slice(0, QUESTIONS_AT_ONCE)) {
    const found = await account.orderByVenueId({ instrument, venueOrderId });
    if (found !== null) named.set(venueOrderId, found.clientOrderId);
    else if (since.some((fill) => fill.venueOrderId === venueOrderId && fill.atMs > newestMs)) open.add(venueOrderId);
  }
  for (const venueOrderId of strange.slice(QUESTIONS_AT_ONCE)) open.add(venueOrderId);
  const attributed = fills.map((fill) => {
    const clientOrderId = fill.clientOrderId ?? named.get(fill.venueOrderId);
    return clientOrderId === undefined ? fill : { ...fill, clientOrderId };
  });
  return { fills: attributed, open };
}

/** The venue's ids of orders that are not known here, in the order of their fills; adds what is known of others to `named`. */
async function strangeOrders(
  { deps }: TrackerContext,
  of: { accountId: string; instrument: Instrument; fills: readonly VenueFill[]; named: Map<string, string> },
): Promise<string[]> {
  const { accountId, instrument, fills, named } = of;
  const unnamed = fills.filter((fill) => fill.clientOrderId === undefined).map((fill) => fill.venueOrderId);
  const venueOrderIds = [...new Set(unnamed)];
  if (venueOrderIds.length === 0) return [];
  const ours = await knownIds(deps.db, {
    accountId,
    clientOrderIds: [],
    instrumentIds: [instrument.id],
    venueOrderIds,
  });
  const unknown = venueOrderIds.filter((id) => !ours.venue.has(id));
  if (unknown.length === 0) return [];
  const [seconds, others] = await Promise.all([
    secondOrders(deps.db, { accountId, instrumentId: instrument.id, venueOrderIds: unknown }),
    foreignOrderIds(deps.db, { accountId, venueSymbol: instrument.venueSymbol, venueOrderIds: unknown }),
  ]);
  for (const [venueOrderId, clientOrderId] of seconds) named.set(venueOrderId, clientOrderId);
  return unknown.filter((id) => !seconds.has(id) && !others.has(id));
}
