import { Decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { rulesOf } from "#shared/domain/instrument-rules.ts";
import type { Side } from "#shared/domain/signal.ts";

/**
 * The fee of an execution, taken in the asset received, as Binance does: a buy pays in the base asset on its size, a sell
 * in the quote asset on its proceeds. Rounded toward zero to the instrument's `feeDecimals`, a rebate (below zero) too: it
 * is never more than its share.
 */
export function feeOf(execution: {
  side: Side;
  price: Decimal;
  size: Decimal;
  instrument: Instrument;
  maker: boolean;
  /** Size times price, where it is known already. */
  quote?: Decimal;
}): { fee: Decimal; feeAsset: string } {
  const { side, price, size, instrument, maker } = execution;
  const rules = rulesOf(instrument);
  const received = side === "BUY" ? size : (execution.quote ?? size.times(price));
  const fee = received
    .times(maker ? rules.makerFee : rules.takerFee)
    .toDecimalPlaces(instrument.feeDecimals, Decimal.ROUND_DOWN);
  return { fee, feeAsset: side === "BUY" ? instrument.base : instrument.quote };
}
