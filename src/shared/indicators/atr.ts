import { type Indicator, loadInner, loadNumber, type PriceBar, type PriceColumns, savedNumber } from "./indicator.ts";
import { createWilder, wilderOver } from "./wilder.ts";

/**
 * Average true range (J. W. Wilder, New Concepts in Technical Trading Systems, 1978): Wilder's average of the true range,
 * the largest of high - low, |high - previous close| and |low - previous close|. The first bar has no close before it:
 * its range is high - low, so that the first result comes with bar `length`.
 */
export function createAtr(length: number): Indicator<PriceBar, number> {
  const average = createWilder(length);
  let previousClose = Number.NaN;
  return {
    update(bar) {
      const range = trueRange(bar.high, bar.low, previousClose);
      previousClose = bar.close;
      return average.update(range);
    },
    snapshot: () => ({ previousClose: savedNumber(previousClose), average: average.snapshot() }),
    restore(snapshot) {
      previousClose = loadNumber(snapshot, "previousClose");
      average.restore(loadInner(snapshot, "average"));
    },
  };
}

/** `createAtr` over columns: as many results, NaN in the first `length - 1`. */
export function atrOver(bars: PriceColumns, length: number): Float64Array {
  const ranges = new Float64Array(bars.close.length);
  for (let index = 0; index < ranges.length; index += 1) {
    const previousClose = index === 0 ? Number.NaN : (bars.close[index - 1] as number);
    ranges[index] = trueRange(bars.high[index] as number, bars.low[index] as number, previousClose);
  }
  return wilderOver(ranges, length);
}

/** The true range of a bar; `previousClose` is NaN for the first. */
export function trueRange(high: number, low: number, previousClose: number): number {
  if (Number.isNaN(previousClose)) return high - low;
  return Math.max(high - low, Math.abs(high - previousClose), Math.abs(low - previousClose));
}
