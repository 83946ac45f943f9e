/** The last `length` numbers, kept so that they lie oldest first in one stretch of memory. */
export interface NumberWindow {
  /** Two copies side by side: the window is `values[start .. start + length)` once `count` has reached `length`. */
  readonly values: Float64Array;
  start: number;
  count: number;
}

/** Throws RangeError on a length that is not a whole number of one or more. */
export function checkLength(length: number): void {
  if (!Number.isInteger(length) || length < 1)
    throw new RangeError(`A length has to be a whole number of one or more, not ${length}.`);
}

/** An empty window. Throws on a length that is not a whole number of one or more. */
export function createWindow(length: number): NumberWindow {
  checkLength(length);
  return { values: new Float64Array(2 * length), start: 0, count: 0 };
}

/** Adds a number and drops the oldest one when the window is full. True once it is full. */
export function push(window: NumberWindow, value: number): boolean {
  const { values } = window;
  const length = values.length >> 1;
  values[window.start] = value;
  values[window.start + length] = value;
  window.start = window.start + 1 === length ? 0 : window.start + 1;
  if (window.count === length) return true;
  window.count += 1;
  return window.count === length;
}

/** The numbers in the window, oldest first. */
export function windowValues(window: NumberWindow): number[] {
  const length = window.values.length >> 1;
  if (window.count < length) return Array.from(window.values.subarray(0, window.count));
  return Array.from(window.values.subarray(window.start, window.start + length));
}

/** Fills an empty or used window with what `windowValues` gave. */
export function refill(window: NumberWindow, values: readonly number[]): void {
  window.start = 0;
  window.count = 0;
  for (const value of values) push(window, value);
}

/** The sum of `values[from .. to)`, oldest added first, in float64. */
export function sumOf(values: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let index = from; index < to; index += 1) sum += values[index] as number;
  return sum;
}
