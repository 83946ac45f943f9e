import { Decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Side } from "#shared/domain/signal.ts";

/**
 * The fee of an execution, taken in the asset received, as Binance does: a buy pays in the base asset on its size, a sell
 * in the quote asset on its proceeds. Rounded down to the instrument's `feeDecimals`.
 */
export function feeOf(execution: {
  side: Side;
  price: Decimal;
  size: Decimal;
  instrument: Instrument;
  maker: boolean;
}): { fee: Decimal; feeAsset: string } {
  const { side, price, size, instrument, maker } = execution;
  const received = side === "BUY" ? size : size.times(price);
  const fee = received
    .times(maker ? instrument.makerFee : instrument.takerFee)
    .toDecimalPlaces(instrument.feeDecimals, Decimal.ROUND_DOWN);
  return { fee, feeAsset: side === "BUY" ? instrument.base : instrument.quote };
}
