import type { Decimal } from "#shared/domain/decimal.ts";
import type { MatchedFill } from "./matcher.ts";

/**
 * Whether an account can pay for a fill: a buy needs its whole quote amount, a sell its whole size. An order that was
 * locked for when it was placed always can; a market buy has no price before its fill, so it is asked here, and one that
 * cannot be paid for expires without a fill (nothing is bought in part).
 */
export function canSettle(fill: MatchedFill, available: { base: Decimal; quote: Decimal }): boolean {
  return fill.side === "BUY" ? fill.quote.lte(available.quote) : fill.size.lte(available.base);
}
