import { Decimal, ONE, timesWithin, ZERO } from "#shared/domain/decimal.ts";
import type { SizeLimits } from "#shared/domain/instrument-rules.ts";

/** Most orders of one decision where the venue has no bound, or a larger one. */
const MOST_ORDERS = 100;

/**
 * The sizes of the orders that close a position which is too large for one: as few as the maximum size and notional allow,
 * as equal as whole steps allow, the larger ones first, none below a minimum. `size` is a multiple of the step above the minimums, and
 * `price` what the venue measures notional at. Of more than `mostOrders` (null: no bound) the first ones: what is left is
 * closed in the same way later. Their sum is the size, less what no division into allowed orders reaches: a rest below a
 * minimum. Empty: the venue allows no order at all.
 */
export function exitParts(
  size: Decimal,
  { price, limits, mostOrders }: { price: Decimal; limits: SizeLimits; mostOrders: number | null },
): readonly Decimal[] {
  const { sizeStep } = limits;
  const most = mostSteps(limits, price);
  const least = leastSteps(limits, price);
  if (most.lt(least)) return [];
  const steps = timesWithin(size, sizeStep);
  const needed = ceilDiv(steps, most);
  const isWhole = least.times(needed).lte(steps);
  const count = isWhole ? needed : needed.minus(ONE);
  const closed = isWhole ? steps : count.times(most);
  const each = timesWithin(closed, count);
  const larger = closed.minus(each.times(count));
  const made = Decimal.min(count, mostOrders ?? MOST_ORDERS, MOST_ORDERS).toNumber();
  return Array.from({ length: made }, (_, index) => (larger.gt(index) ? each.plus(ONE) : each).times(sizeStep));
}

/** Whether one order may have this size and notional, as far as the maximums go. */
export function isWithinMaximum(size: Decimal, notional: Decimal, { maxSize, maxNotional }: SizeLimits): boolean {
  return (maxSize === null || size.lte(maxSize)) && (maxNotional === null || notional.lte(maxNotional));
}

/** The largest order in steps; it is asked for only where some maximum is exceeded. */
function mostSteps({ sizeStep, maxSize, maxNotional }: SizeLimits, price: Decimal): Decimal {
  const bounds = [];
  if (maxSize !== null) bounds.push(timesWithin(maxSize, sizeStep));
  if (maxNotional !== null && price.gt(0)) bounds.push(timesWithin(maxNotional, price.times(sizeStep)));
  return bounds.length === 0 ? ZERO : Decimal.min(...bounds);
}

/** The smallest order in steps, at least one. */
function leastSteps({ sizeStep, minSize, minNotional }: SizeLimits, price: Decimal): Decimal {
  const bySize = ceilDiv(minSize, sizeStep);
  const byNotional = minNotional.isZero() || price.isZero() ? ZERO : ceilDiv(minNotional, price.times(sizeStep));
  return Decimal.max(ONE, bySize, byNotional);
}

function ceilDiv(value: Decimal, divisor: Decimal): Decimal {
  const within = timesWithin(value, divisor);
  return within.times(divisor).eq(value) ? within : within.plus(ONE);
}
