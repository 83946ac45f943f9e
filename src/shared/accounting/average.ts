import { Decimal } from "#shared/domain/decimal.ts";

const AVERAGE_DECIMALS = 18;

/**
 * The average price of executions: their quote amount over their size, rounded half to even to 18 decimals. The price of a
 * single execution comes back as it was. No amount of money is computed from an average; it is for people and for profit.
 */
export function averagePriceOf(quote: Decimal, size: Decimal): Decimal {
  return quote.div(size).toDecimalPlaces(AVERAGE_DECIMALS, Decimal.ROUND_HALF_EVEN);
}
