import { Decimal, ONE } from "#shared/domain/decimal.ts";

const AVERAGE_DECIMALS = 18;
const UNITS = new Decimal(10).pow(AVERAGE_DECIMALS);
const UNIT = ONE.div(UNITS);

/**
 * The average price of executions: their quote amount over their size, both above zero, rounded half to even to 18
 * decimals. The price of a single execution comes back as it was. No amount of money is computed from an average; it is
 * for people and for profit. A whole division and its rest are exact, and faster than a quotient of a hundred digits.
 */
export function averagePriceOf(quote: Decimal, size: Decimal): Decimal {
  const scaled = quote.times(UNITS);
  const below = scaled.divToInt(size);
  const rest = scaled.minus(below.times(size));
  const half = rest.plus(rest).cmp(size);
  const up = half > 0 || (half === 0 && !below.mod(2).isZero());
  return (up ? below.plus(ONE) : below).times(UNIT);
}
