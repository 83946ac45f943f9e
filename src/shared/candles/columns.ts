import type { Candle } from "#shared/domain/candle.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** Candles as columns of float64, oldest first: what indicators and backtests read. */
export interface CandleColumns {
  readonly length: number;
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
  /** UTC epoch milliseconds. */
  readonly openAtMs: Float64Array;
  readonly closeAtMs: Float64Array;
}

type CandlePrices = Pick<Candle, "open" | "high" | "low" | "close" | "volume" | "openAtMs" | "closeAtMs">;

/** A price as float64 that is read back as the same decimal. Throws INVALID_INPUT where float64 has not enough digits. */
export function exactFloat(price: string): number {
  const value = Number(price);
  if (String(value) === price || decimal(String(value)).eq(decimal(price))) return value;
  const message = `The price ${price} has more digits than float64 keeps; it would be changed silently.`;
  throw new AppError("INVALID_INPUT", "permanent", message, { details: { price } });
}

/** Makes columns. Prices have to survive text to float64 to text (INVALID_INPUT); a volume is rounded to the nearest float64. */
export function columnsOf(candles: readonly CandlePrices[]): CandleColumns {
  const column = (read: (candle: CandlePrices) => number): Float64Array => Float64Array.from(candles, read);
  return {
    length: candles.length,
    open: column((candle) => exactFloat(candle.open)),
    high: column((candle) => exactFloat(candle.high)),
    low: column((candle) => exactFloat(candle.low)),
    close: column((candle) => exactFloat(candle.close)),
    volume: column((candle) => Number(candle.volume)),
    openAtMs: column((candle) => candle.openAtMs),
    closeAtMs: column((candle) => candle.closeAtMs),
  };
}
