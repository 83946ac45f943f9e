import { type Indicator, loadInner, loadNumber, savedNumber } from "./indicator.ts";
import { createWilder, wilderOver } from "./wilder.ts";

/**
 * Relative strength index (J. W. Wilder, New Concepts in Technical Trading Systems, 1978): 100 - 100 / (1 + gain / loss),
 * with Wilder's averages of the rises and of the falls from value to value. Its first result comes with value
 * `length + 1`. No fall at all gives 100; neither rise nor fall gives 50.
 */
export function createRsi(length: number): Indicator<number, number> {
  const gains = createWilder(length);
  const losses = createWilder(length);
  let previous = Number.NaN;
  return {
    update(value) {
      const change = value - previous;
      previous = value;
      if (Number.isNaN(change)) return Number.NaN;
      return strength(gains.update(rise(change)), losses.update(fall(change)));
    },
    snapshot: () => ({ previous: savedNumber(previous), gains: gains.snapshot(), losses: losses.snapshot() }),
    restore(snapshot) {
      previous = loadNumber(snapshot, "previous");
      gains.restore(loadInner(snapshot, "gains"));
      losses.restore(loadInner(snapshot, "losses"));
    },
  };
}

/** `createRsi` over an array: as many results, NaN in the first `length`. */
export function rsiOver(values: ArrayLike<number>, length: number): Float64Array {
  const result = new Float64Array(values.length).fill(Number.NaN);
  const changes: number[] = [];
  for (let index = 1; index < values.length; index += 1) {
    changes.push((values[index] as number) - (values[index - 1] as number));
  }
  const gains = wilderOver(changes.map(rise), length);
  const losses = wilderOver(changes.map(fall), length);
  for (let index = 0; index < changes.length; index += 1) {
    result[index + 1] = strength(gains[index] as number, losses[index] as number);
  }
  return result;
}

function rise(change: number): number {
  return change > 0 ? change : 0;
}

function fall(change: number): number {
  return change < 0 ? -change : 0;
}

function strength(gain: number, loss: number): number {
  if (loss === 0) return gain === 0 ? 50 : 100;
  return 100 - 100 / (1 + gain / loss);
}
