import type { Decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { rulesOf } from "#shared/domain/instrument-rules.ts";

/** Whether a position counts as none: below the minimum size or, at the mark, below the minimum notional. Zero is always flat. */
export function isFlat(position: { size: Decimal; mark: Decimal; instrument: Instrument }): boolean {
  const size = position.size.abs();
  if (size.isZero()) return true;
  const { minSize, minNotional } = rulesOf(position.instrument);
  return size.lt(minSize) || size.times(position.mark).lt(minNotional);
}
