import { type Indicator, loadNumber, savedNumber } from "./indicator.ts";
import { checkLength, sumOf } from "./window.ts";

/**
 * Exponential moving average with the factor k = 2 / (length + 1): ema + k (value - ema). Its first value is the mean
 * of the first `length` values (as in TA-Lib, and in J. W. Wilder's and P. Haurlan's descriptions of seeding).
 */
export function createEma(length: number): Indicator<number, number> {
  checkLength(length);
  const factor = 2 / (length + 1);
  let count = 0;
  let sum = 0;
  let ema = Number.NaN;
  return {
    update(value) {
      if (count < length) {
        count += 1;
        sum += value;
        if (count === length) ema = sum / length;
      } else {
        ema += factor * (value - ema);
      }
      return ema;
    },
    snapshot: () => ({ count, sum, ema: savedNumber(ema) }),
    restore(snapshot) {
      count = loadNumber(snapshot, "count");
      sum = loadNumber(snapshot, "sum");
      ema = loadNumber(snapshot, "ema");
    },
  };
}

/** `createEma` over an array: as many results, NaN in the first `length - 1`. */
export function emaOver(values: ArrayLike<number>, length: number): Float64Array {
  checkLength(length);
  const result = new Float64Array(values.length).fill(Number.NaN);
  if (values.length < length) return result;
  const factor = 2 / (length + 1);
  let ema = sumOf(values, 0, length) / length;
  result[length - 1] = ema;
  for (let index = length; index < values.length; index += 1) {
    ema = ema + factor * ((values[index] as number) - ema);
    result[index] = ema;
  }
  return result;
}
