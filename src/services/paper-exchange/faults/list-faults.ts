import { z } from "zod";
import type { Ledger } from "#services/paper-exchange/ledger/ledger.ts";
import type { VenueFillRow, VenueOrderRow } from "#services/paper-exchange/ledger/ledger-types.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { defineFault, type FaultKind, type Misbehaviour, ms, type Reach } from "./fault.ts";

const bars = z.number().int().min(1);
const openAtMs = z.number().int().min(0);
const removed = defineFault(
  "bars-removed",
  "REST does not list certain bars any more: the newest when it was set, those up to a time, or the one that opened then",
  {
    newest: bars.optional().describe("So many of the newest"),
    upToMs: openAtMs.optional().describe("Those that opened until then, UTC epoch milliseconds"),
    openAtMs: openAtMs.optional().describe("The one that opened then, UTC epoch milliseconds"),
  },
  (of, reach) => {
    const { market } = reach;
    const openOf = ({ openAtMs: atMs }: { openAtMs: number }) => atMs;
    const newest = new Map(
      market.timeFrames.map((one) => [
        one,
        new Set(of.newest === undefined ? [] : market.closedBars(one).slice(-of.newest).map(openOf)),
      ]),
    );
    const isGone = (timeFrame: TimeFrame, atMs: number) =>
      newest.get(timeFrame)?.has(atMs) === true || atMs === of.openAtMs || atMs <= (of.upToMs ?? -1);
    return { view: (seen) => withBars(seen, reach, (timeFrame, atMs) => !isGone(timeFrame, atMs)) };
  },
);
const barsRemoved: FaultKind = {
  ...removed,
  schema: removed.schema.refine(
    ({ newest, upToMs, openAtMs: atMs }) => [newest, upToMs, atMs].some((one) => one !== undefined),
    'must say which: "newest", "upToMs" or "openAtMs"',
  ),
};

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
  barsRemoved,
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
      return listed.length < all.length && strikes() ? listed : all;
    },
  });
}

/** Remembers each order as it was at each moment since the fault was set. */
function lag({ lagMs }: { lagMs: number }, { market, clock, strikes }: Reach): Misbehaviour {
  /** By order, oldest first: since when it is so. */
  const versions = new Map<number, { sinceMs: number; row: VenueOrderRow }[]>();
  const fillsSinceMs = new Map<number, number>();
  const note = (nowMs: number): void => {
    const { orders, fills } = market.ledger;
    // The venue has begun its ids anew: what is remembered is of other orders.
    if (orders.length < versions.size) versions.clear();
    if (fills.length < fillsSinceMs.size) fillsSinceMs.clear();
    for (const row of orders) {
      const known = versions.get(row.id) ?? [];
      const last = known.at(-1)?.row;
      if (last !== undefined && last.status === row.status && last.filled === row.filled) continue;
      versions.set(row.id, [...known, { sinceMs: nowMs, row: { ...row } }]);
    }
    for (const { tradeId } of fills) if (!fillsSinceMs.has(tradeId)) fillsSinceMs.set(tradeId, nowMs);
  };
  note(0);
  const past = (): Listed => {
    note(clock.nowMs());
    const { ledger } = market;
    const untilMs = clock.nowMs() - lagMs;
    const isOld = ({ sinceMs }: { sinceMs: number }) => sinceMs <= untilMs;
    const seen = [...versions.values()].map((all) => ({ now: all.at(-1)?.row, old: all.findLast(isOld)?.row }));
    const fills = ledger.fills.filter(({ tradeId }) => (fillsSinceMs.get(tradeId) ?? 0) <= untilMs);
    const isBehind = fills.length < ledger.fills.length || seen.some(({ now, old }) => now !== old);
    if (!isBehind || !strikes()) return ledger;
    return listedOf(
      seen.map(({ old }) => old).filter((row) => row !== undefined),
      fills,
    );
  };
  return {
    stop: market.listen(() => note(clock.nowMs())),
    view: (seen) => seenAs(seen, { ledger: laggingLedger(market.ledger, past) }),
  };
}

/** What lists and questions are answered from. */
type Listed = Pick<Ledger, "orders" | "fills" | "open" | "order" | "orderByClientId">;

function listedOf(rows: readonly VenueOrderRow[], fills: readonly VenueFillRow[]): Listed {
  const orders = rows.filter(({ status }) => status !== "FORGOTTEN");
  const byId = new Map(orders.map((order) => [order.id, order]));
  const newest = new Map(orders.map((order) => [order.clientOrderId, order]));
  const open = new Map(orders.filter(({ status }) => status === "NEW").map((order) => [order.id, order]));
  return { orders, fills, open, order: (id) => byId.get(id), orderByClientId: (id) => newest.get(id) };
}

/** Whether it lags is drawn once a question, when it is first needed. */
function laggingLedger(ledger: Ledger, past: () => Listed): Ledger {
  let drawn: Listed | null = null;
  const listed = (): Listed => (drawn ??= past());
  return Object.create(ledger, {
    orders: { get: () => listed().orders },
    fills: { get: () => listed().fills },
    open: { get: () => listed().open },
    order: { value: (id: number) => listed().order(id) },
    orderByClientId: { value: (id: string) => listed().orderByClientId(id) },
  }) as Ledger;
}
