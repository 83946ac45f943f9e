import { type Indicator, loadNumbers } from "./indicator.ts";
import { checkLength, createWindow, push, refill, sumOf, windowValues } from "./window.ts";

/**
 * Simple moving average: the sum of the last `length` values, added oldest first, divided by `length`, in float64.
 * It is computed anew for each value, so that its bits do not depend on what came before the window.
 */
export function createSma(length: number): Indicator<number, number> {
  const window = createWindow(length);
  return {
    update(value) {
      if (!push(window, value)) return Number.NaN;
      return sumOf(window.values, window.start, window.start + length) / length;
    },
    snapshot: () => ({ values: windowValues(window) }),
    restore: (snapshot) => refill(window, loadNumbers(snapshot, "values")),
  };
}

/** `createSma` over an array: as many results, NaN in the first `length - 1`. */
export function smaOver(values: ArrayLike<number>, length: number): Float64Array {
  checkLength(length);
  const result = new Float64Array(values.length).fill(Number.NaN);
  for (let end = length; end <= values.length; end += 1) result[end - 1] = sumOf(values, end - length, end) / length;
  return result;
}
