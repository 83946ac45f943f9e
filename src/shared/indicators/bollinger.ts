import { type Indicator, loadNumbers } from "./indicator.ts";
import { checkLength, createWindow, push, refill, sumOf, windowValues } from "./window.ts";

export interface BollingerBands {
  readonly lower: number;
  readonly middle: number;
  readonly upper: number;
}

/**
 * Bollinger bands (J. Bollinger, Bollinger on Bollinger Bands, 2001): the simple average of the last `length` values, and
 * `width` standard deviations below and above it. The deviation is that of the population (divided by `length`), taken
 * from the average in a second pass, oldest first, anew for each value.
 */
export function createBollinger(length: number, width: number): Indicator<number, BollingerBands> {
  const window = createWindow(length);
  return {
    update(value) {
      if (!push(window, value)) return { lower: Number.NaN, middle: Number.NaN, upper: Number.NaN };
      return bandsOf(window.values, window.start, { length, width });
    },
    snapshot: () => ({ values: windowValues(window) }),
    restore: (snapshot) => refill(window, loadNumbers(snapshot, "values")),
  };
}

/** `createBollinger` over an array: as many results a band, NaN in the first `length - 1`. */
export function bollingerOver(
  values: ArrayLike<number>,
  length: number,
  width: number,
): { lower: Float64Array; middle: Float64Array; upper: Float64Array } {
  checkLength(length);
  const lower = new Float64Array(values.length).fill(Number.NaN);
  const middle = lower.slice();
  const upper = lower.slice();
  for (let end = length; end <= values.length; end += 1) {
    const bands = bandsOf(values, end - length, { length, width });
    lower[end - 1] = bands.lower;
    middle[end - 1] = bands.middle;
    upper[end - 1] = bands.upper;
  }
  return { lower, middle, upper };
}

function bandsOf(
  values: ArrayLike<number>,
  from: number,
  { length, width }: { length: number; width: number },
): BollingerBands {
  const middle = sumOf(values, from, from + length) / length;
  let squares = 0;
  for (let index = from; index < from + length; index += 1) squares += ((values[index] as number) - middle) ** 2;
  const distance = width * Math.sqrt(squares / length);
  return { lower: middle - distance, middle, upper: middle + distance };
}
