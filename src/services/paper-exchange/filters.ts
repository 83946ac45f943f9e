import { decimal, isMultipleOf } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Placement } from "./placement.ts";
import { filterFailure, type Refusal } from "./refusal.ts";

/**
 * Binance's symbol filters: price and size on their steps and above their least, and price times size not below the least
 * notional. A market order is measured at the last price shown; before the first one that filter does not apply.
 */
export function checkFilters(order: Placement, instrument: Instrument, lastPrice: string | null): Refusal | null {
  const size = decimal(order.size);
  if (order.type !== "MARKET") {
    const price = decimal(order.price);
    if (price.isZero() || !isMultipleOf(price, decimal(instrument.priceStep))) return filterFailure("PRICE_FILTER");
  }
  if (size.lt(instrument.minSize) || !isMultipleOf(size, decimal(instrument.sizeStep)))
    return filterFailure("LOT_SIZE");
  if (instrument.maxSize !== null && size.gt(instrument.maxSize)) return filterFailure("LOT_SIZE");
  const price = order.type === "MARKET" ? lastPrice : order.price;
  return price !== null && size.times(price).lt(instrument.minNotional) ? filterFailure("NOTIONAL") : null;
}
