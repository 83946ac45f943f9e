import { decimal, normalize, plain, ZERO } from "#shared/domain/decimal.ts";
import type { VenueOrder, VenueTrade } from "./venue-client.ts";

/** An order as docs/demo.md compares it: decimals as plain text, null while it has no fill. */
export interface ComparedOrder {
  number: number;
  side: string;
  type: string;
  size: string;
  filled: string;
  averagePrice: string | null;
  fee: string | null;
  feeAsset: string | null;
  filledAtMs: number | null;
}

/** An execution by the venue's number, decimals as plain text. */
export interface ComparedFill {
  tradeId: number;
  price: string;
  size: string;
  fee: string;
}

export interface EquityPoint {
  closeAtMs: number;
  equity: string;
}

/** The venue's own executions, in the order of their numbers. */
export function fillsOfVenue(trades: readonly VenueTrade[]): ComparedFill[] {
  return trades.map(({ id, price, qty, commission }) => ({
    tradeId: id,
    price: normalize(price),
    size: normalize(qty),
    fee: normalize(commission),
  }));
}

/** The venue's own ledger as compared orders. The number is what our client order id ends with. */
export function ordersOfVenue(orders: readonly VenueOrder[], trades: readonly VenueTrade[]): ComparedOrder[] {
  return orders.map((order) => {
    const own = trades.filter((trade) => trade.orderId === order.orderId);
    const last = own.at(-1);
    const sum = (pick: (trade: VenueTrade) => string) => own.reduce((total, trade) => total.plus(pick(trade)), ZERO);
    return {
      number: Number(order.clientOrderId.split("-").at(-1)),
      side: order.side,
      type: order.type,
      size: normalize(order.origQty),
      filled: plain(sum((trade) => trade.qty)),
      averagePrice: last === undefined ? null : plain(sum((trade) => trade.quoteQty).div(sum((trade) => trade.qty))),
      fee: last === undefined ? null : plain(sum((trade) => trade.commission)),
      feeAsset: last?.commissionAsset ?? null,
      filledAtMs: last?.time ?? null,
    };
  });
}

/** The quote and the base the account owns, marked at a price. */
export function worthOf(balances: Record<string, { free: string; locked: string }>, mark: string): string {
  const owned = (asset: string) => decimal(balances[asset]?.free ?? "0").plus(balances[asset]?.locked ?? "0");
  return plain(owned("USD").plus(owned("SPX").times(mark)));
}

/** The first difference of two lists, in words; null: they are the same to the last digit. */
export function firstDifference<Item>(
  what: string,
  left: { name: string; items: readonly Item[] },
  right: { name: string; items: readonly Item[] },
): string | null {
  const length = Math.max(left.items.length, right.items.length);
  for (let index = 0; index < length; index++) {
    const [one, other] = [left.items[index], right.items[index]].map((item) => JSON.stringify(item) ?? "nothing");
    if (one !== other) return `${what} ${index + 1}: ${left.name} has ${one}, ${right.name} has ${other}`;
  }
  return null;
}
