import { type Indicator, loadNumbers, type PriceBar, type PriceColumns } from "./indicator.ts";
import { checkLength, createWindow, push, refill, windowValues } from "./window.ts";

export interface DonchianChannel {
  readonly lower: number;
  readonly middle: number;
  readonly upper: number;
}

/**
 * Donchian channel (R. Donchian's four-week rule, 1960): the highest high and the lowest low of the last `length` bars, the
 * present one included, and the mean of the two.
 */
export function createDonchian(length: number): Indicator<Pick<PriceBar, "high" | "low">, DonchianChannel> {
  const highs = createWindow(length);
  const lows = createWindow(length);
  return {
    update(bar) {
      const full = push(highs, bar.high);
      push(lows, bar.low);
      if (!full) return { lower: Number.NaN, middle: Number.NaN, upper: Number.NaN };
      let upper = Number.NEGATIVE_INFINITY;
      let lower = Number.POSITIVE_INFINITY;
      for (let index = highs.start; index < highs.start + length; index += 1) {
        upper = Math.max(upper, highs.values[index] as number);
        lower = Math.min(lower, lows.values[index] as number);
      }
      return { lower, middle: (upper + lower) / 2, upper };
    },
    snapshot: () => ({ highs: windowValues(highs), lows: windowValues(lows) }),
    restore(snapshot) {
      refill(highs, loadNumbers(snapshot, "highs"));
      refill(lows, loadNumbers(snapshot, "lows"));
    },
  };
}

/** `createDonchian` over columns: as many results each, NaN in the first `length - 1`. */
export function donchianOver(
  bars: Pick<PriceColumns, "high" | "low">,
  length: number,
): { lower: Float64Array; middle: Float64Array; upper: Float64Array } {
  checkLength(length);
  const lower = new Float64Array(bars.high.length).fill(Number.NaN);
  const middle = lower.slice();
  const upper = lower.slice();
  for (let end = length; end <= bars.high.length; end += 1) {
    const highest = Math.max(...Array.from({ length }, (_, back) => bars.high[end - 1 - back] as number));
    const lowest = Math.min(...Array.from({ length }, (_, back) => bars.low[end - 1 - back] as number));
    upper[end - 1] = highest;
    lower[end - 1] = lowest;
    middle[end - 1] = (highest + lowest) / 2;
  }
  return { lower, middle, upper };
}
