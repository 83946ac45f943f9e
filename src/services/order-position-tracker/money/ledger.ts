import { type Decimal, decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill } from "#shared/domain/order.ts";

/** One change of a balance. */
export interface LedgerEntry {
  asset: string;
  kind: "capital" | "trade" | "fee";
  /** Signed, exact. */
  amount: Decimal;
}

/**
 * What an execution does to balances: the base moves by the size, the quote by size times price the other way, and the
 * fee leaves the asset it is taken in. The entries' sum per asset is the change of the balance, exactly.
 */
export function entriesOf(fill: Fill, instrument: Instrument): LedgerEntry[] {
  const size = decimal(fill.size);
  const amount = size.times(fill.price);
  const fee = decimal(fill.fee);
  const buys = fill.side === "BUY";
  const entries: LedgerEntry[] = [
    { asset: instrument.base, kind: "trade", amount: buys ? size : size.negated() },
    { asset: instrument.quote, kind: "trade", amount: buys ? amount.negated() : amount },
  ];
  if (!fee.isZero()) entries.push({ asset: fill.feeAsset, kind: "fee", amount: fee.negated() });
  return entries;
}
