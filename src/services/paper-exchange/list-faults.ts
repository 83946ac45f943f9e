import { z } from "zod";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { defineFault, ms, type Reach } from "./fault.ts";
import type { Ledger } from "./ledger.ts";
import type { VenueFillRow, VenueOrderRow } from "./ledger-types.ts";
import type { Market } from "./market.ts";

/** Faults of what the venue lists. */
export const LIST_FAULTS = [
  defineFault(
    "lists-lag",
    "lists and questions about orders and fills are so many milliseconds old",
    { lagMs: ms },
    lag,
  ),
  defineFault(
    "bars-lag",
    "REST does not list the bars that closed within so many milliseconds",
    { lagMs: ms },
    (of, reach) => {
      const { market, clock } = reach;
      const closedAtMs = new Map<string, number>();
      const keyOf = (timeFrame: string, openAtMs: number) => `${timeFrame} ${openAtMs}`;
      const stop = market.listen((shown) => {
        for (const one of shown) {
          if (one.kind === "bar" && one.closed) {
            closedAtMs.set(keyOf(market.replay?.timeFrame ?? "", one.bar.openAtMs), clock.nowMs());
          }
          if (one.kind === "candle" && one.candle.closed) {
            closedAtMs.set(keyOf(one.candle.timeFrame, one.candle.openAtMs), clock.nowMs());
          }
        }
      });
      const isOld = (timeFrame: TimeFrame, openAtMs: number) =>
        (closedAtMs.get(keyOf(timeFrame, openAtMs)) ?? 0) <= clock.nowMs() - of.lagMs;
      return { stop, view: (seen) => withBars(seen, reach, isOld) };
    },
  ),
  defineFault(
    "bars-removed",
    "REST does not list the newest bars that were closed when it was set",
    { newest: z.number().int().min(1) },
    ({ newest }, reach) => {
      const { market } = reach;
      const gone = new Map(
        market.timeFrames.map((one) => [
          one,
          new Set(
            market
              .closedBars(one)
              .slice(-newest)
              .map(({ openAtMs }) => openAtMs),
          ),
        ]),
      );
      return {
        view: (seen) => withBars(seen, reach, (timeFrame, openAtMs) => gone.get(timeFrame)?.has(openAtMs) !== true),
      };
    },
  ),
] as const;

/** The market with other values of some members, for those who only ask. */
function seenAs(market: Market, members: Partial<Record<keyof Market, unknown>>): Market {
  const values = Object.entries(members).map(([name, value]) => [name, { value }]);
  return Object.create(market, Object.fromEntries(values)) as Market;
}

function withBars(
  market: Market,
  { strikes }: Reach,
  lists: (timeFrame: TimeFrame, openAtMs: number) => boolean,
): Market {
  return seenAs(market, {
    closedBars: (timeFrame: TimeFrame) => {
      const all = market.closedBars(timeFrame);
      const listed = all.filter(({ openAtMs }) => lists(timeFrame, openAtMs));
      if (listed.length < all.length) strikes();
      return listed;
    },
  });
}

/** Remembers each order as it was at each moment since the fault was set, for as long as the lists lag. */
function lag({ lagMs }: { lagMs: number }, { market, clock, strikes }: Reach) {
  const beganMs = clock.nowMs();
  /** By order, oldest first: since when it is so. */
  const versions = new Map<number, { sinceMs: number; row: VenueOrderRow }[]>();
  const fillsSinceMs = new Map<number, number>();
  const note = (row: VenueOrderRow, sinceMs: number): void => {
    versions.set(row.id, [...(versions.get(row.id) ?? []), { sinceMs, row: { ...row } }]);
  };
  for (const order of market.ledger.orders) note(order, 0);
  for (const { tradeId } of market.ledger.fills) fillsSinceMs.set(tradeId, 0);
  const stop = market.listen(() => {
    const nowMs = clock.nowMs();
    for (const order of market.ledger.orders) {
      const last = versions.get(order.id)?.at(-1)?.row;
      if (last === undefined || last.status !== order.status || last.filled !== order.filled) note(order, nowMs);
    }
    for (const { tradeId } of market.ledger.fills) if (!fillsSinceMs.has(tradeId)) fillsSinceMs.set(tradeId, nowMs);
  });
  const view = (seen: Market): Market => {
    const atMs = Math.max(clock.nowMs() - lagMs, Math.min(beganMs, clock.nowMs()) - lagMs);
    const orders = [...versions.values()]
      .map((all) => all.findLast(({ sinceMs }) => sinceMs <= atMs)?.row)
      .filter((row) => row !== undefined);
    const fills = market.ledger.fills.filter(({ tradeId }) => (fillsSinceMs.get(tradeId) ?? 0) <= atMs);
    if (orders.length < market.ledger.orders.length || fills.length < market.ledger.fills.length) strikes();
    return seenAs(seen, { ledger: laggingLedger(market.ledger, orders, fills) });
  };
  return { stop, view };
}

function laggingLedger(ledger: Ledger, orders: VenueOrderRow[], fills: VenueFillRow[]): Ledger {
  const byId = new Map(orders.map((order) => [order.id, order]));
  const newest = new Map(orders.map((order) => [order.clientOrderId, order]));
  const open = new Map(orders.filter(({ status }) => status === "NEW").map((order) => [order.id, order]));
  const members = { orders, fills, open, order: byId.get.bind(byId), orderByClientId: newest.get.bind(newest) };
  const values = Object.entries(members).map(([name, value]) => [name, { value }]);
  return Object.create(ledger, Object.fromEntries(values)) as Ledger;
}
