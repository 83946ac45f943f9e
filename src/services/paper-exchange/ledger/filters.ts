import { filterFailure, type Refusal } from "#services/paper-exchange/protocol/refusal.ts";
import { type Decimal, decimal, isMultipleOf } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Placement } from "./placement.ts";

/** What a filter is measured against besides the order: the last price shown (null before the first), and what is open. */
export interface FilterContext {
  instrument: Instrument;
  lastPrice: string | null;
  openOrders: number;
}

/**
 * Binance's symbol filters, by order type. Where it takes an average price the last one shown stands for it; before the
 * first one such a filter does not apply.
 */
export function checkFilters(order: Placement, context: FilterContext): Refusal | null {
  const size = decimal(order.size);
  const failed =
    (order.type === "MARKET" ? null : failedPriceFilter(order, context)) ??
    failedSizeFilter(order, size, context) ??
    failedNotional(order, size, context);
  if (failed !== null) return filterFailure(failed);
  const { maxOpenOrders } = context.instrument;
  return maxOpenOrders !== null && context.openOrders >= maxOpenOrders ? filterFailure("MAX_NUM_ORDERS") : null;
}

function failedPriceFilter(order: Placement, { instrument, lastPrice }: FilterContext): string | null {
  const price = decimal(order.price);
  if (price.isZero() || !isMultipleOf(price, decimal(instrument.priceStep))) return "PRICE_FILTER";
  const { priceBand } = instrument;
  if (priceBand === null || lastPrice === null) return null;
  const buys = order.side === "BUY";
  const average = decimal(lastPrice);
  const isHigh = price.gt(average.times(buys ? priceBand.bidUp : priceBand.askUp));
  const isLow = price.lt(average.times(buys ? priceBand.bidDown : priceBand.askDown));
  return isHigh || isLow ? "PERCENT_PRICE_BY_SIDE" : null;
}

function failedSizeFilter(order: Placement, size: Decimal, { instrument }: FilterContext): string | null {
  const { minSize, maxSize, sizeStep, marketMinSize, marketMaxSize, marketSizeStep } = instrument;
  const isWithin = (least: string, most: string | null, step: string | null) =>
    size.gte(least) && (most === null || size.lte(most)) && (step === null || isMultipleOf(size, decimal(step)));
  if (!isWithin(minSize, maxSize, sizeStep)) return "LOT_SIZE";
  if (order.type !== "MARKET" || isWithin(marketMinSize, marketMaxSize, marketSizeStep)) return null;
  return "MARKET_LOT_SIZE";
}

function failedNotional(order: Placement, size: Decimal, { instrument, lastPrice }: FilterContext): string | null {
  const market = order.type === "MARKET";
  const price = market ? lastPrice : order.price;
  if (price === null) return null;
  const notional = size.times(price);
  const { minNotional, maxNotional, minNotionalAppliesToMarket, maxNotionalAppliesToMarket } = instrument;
  const isSmall = (!market || minNotionalAppliesToMarket) && notional.lt(minNotional);
  const isLarge = (!market || maxNotionalAppliesToMarket) && maxNotional !== null && notional.gt(maxNotional);
  return isSmall || isLarge ? "NOTIONAL" : null;
}
