import { type Indicator, loadNumber, savedNumber } from "./indicator.ts";
import { checkLength, sumOf } from "./window.ts";

/**
 * Wilder's smoothing (J. W. Wilder, New Concepts in Technical Trading Systems, 1978): the mean of the first `length`
 * values, then (previous * (length - 1) + value) / length.
 */
export function createWilder(length: number): Indicator<number, number> {
  checkLength(length);
  let count = 0;
  let sum = 0;
  let average = Number.NaN;
  return {
    update(value) {
      if (count < length) {
        count += 1;
        sum += value;
        if (count === length) average = sum / length;
      } else {
        average = (average * (length - 1) + value) / length;
      }
      return average;
    },
    snapshot: () => ({ count, sum, average: savedNumber(average) }),
    restore(snapshot) {
      count = loadNumber(snapshot, "count");
      sum = loadNumber(snapshot, "sum");
      average = loadNumber(snapshot, "average");
    },
  };
}

/** `createWilder` over an array. */
export function wilderOver(values: ArrayLike<number>, length: number): Float64Array {
  checkLength(length);
  const result = new Float64Array(values.length).fill(Number.NaN);
  if (values.length < length) return result;
  let average = sumOf(values, 0, length) / length;
  result[length - 1] = average;
  for (let index = length; index < values.length; index += 1) {
    average = (average * (length - 1) + (values[index] as number)) / length;
    result[index] = average;
  }
  return result;
}
