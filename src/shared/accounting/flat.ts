import type { Decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { floorToSizeStep, rulesOf } from "#shared/domain/instrument-rules.ts";

/**
 * Whether a position counts as none: below what a market order may have of size or, at the mark, of notional. Zero is always
 * flat.
 */
export function isFlat(position: { size: Decimal; mark: Decimal; instrument: Instrument }): boolean {
  const size = position.size.abs();
  if (size.isZero()) return true;
  const { minSize, minNotional } = rulesOf(position.instrument).market;
  return size.lt(minSize) || size.times(position.mark).lt(minNotional);
}

/**
 * What market orders can close of a position: its size toward zero to the size step, with its sign. Null: it is flat, also where
 * only what the step cuts off keeps it above a minimum, since no order could make it smaller.
 */
export function closableSize(position: { size: Decimal; mark: Decimal; instrument: Instrument }): Decimal | null {
  const size = floorToSizeStep(position.size, rulesOf(position.instrument).market);
  return isFlat({ ...position, size }) ? null : size;
}
