/** Where a trade stands behind the newest one that is known. */
export type TradeLink = "duplicate" | "next" | "hole";

/** A venue's trade ids grow by one from trade to trade of an instrument. Ids may be above 2^53. */
export function tradeLinkOf(lastTradeId: string, tradeId: string): TradeLink {
  const distance = BigInt(tradeId) - BigInt(lastTradeId);
  if (distance <= 0n) return "duplicate";
  return distance === 1n ? "next" : "hole";
}

/** The id so many trades after (or, below zero, before) this one; never below zero. */
export function tradeIdAfter(tradeId: string, count: number): string {
  const id = BigInt(tradeId) + BigInt(count);
  return String(id < 0n ? 0n : id);
}
