import { createEma, emaOver } from "./ema.ts";
import { type Indicator, loadInner } from "./indicator.ts";
import { checkLength } from "./window.ts";

export interface MacdLengths {
  readonly fast: number;
  readonly slow: number;
  readonly signal: number;
}

export interface MacdValue {
  /** Fast average less slow average. */
  readonly macd: number;
  readonly signal: number;
  /** macd - signal. */
  readonly histogram: number;
}

/**
 * Moving average convergence divergence (G. Appel, Technical Analysis: Power Tools for Active Investors, 2005): the fast
 * exponential average less the slow one, an exponential average of that as its signal, and the difference of the two.
 * Each average is seeded as in `createEma`, at its own beginning; `macd` is NaN until the slower one has begun.
 */
export function createMacd(lengths: MacdLengths): Indicator<number, MacdValue> {
  const fast = createEma(lengths.fast);
  const slow = createEma(lengths.slow);
  const signal = createEma(lengths.signal);
  return {
    update(value) {
      const macd = fast.update(value) - slow.update(value);
      if (Number.isNaN(macd)) return { macd, signal: Number.NaN, histogram: Number.NaN };
      const average = signal.update(macd);
      return { macd, signal: average, histogram: macd - average };
    },
    snapshot: () => ({ fast: fast.snapshot(), slow: slow.snapshot(), signal: signal.snapshot() }),
    restore(snapshot) {
      fast.restore(loadInner(snapshot, "fast"));
      slow.restore(loadInner(snapshot, "slow"));
      signal.restore(loadInner(snapshot, "signal"));
    },
  };
}

/** `createMacd` over an array: as many results each. */
export function macdOver(
  values: ArrayLike<number>,
  lengths: MacdLengths,
): { macd: Float64Array; signal: Float64Array; histogram: Float64Array } {
  // The signal's own average is not made where there are fewer values.
  checkLength(lengths.signal);
  const fast = emaOver(values, lengths.fast);
  const slow = emaOver(values, lengths.slow);
  const macd = fast.map((value, index) => value - (slow[index] as number));
  const begin = Math.max(lengths.fast, lengths.slow) - 1;
  const signal = new Float64Array(values.length).fill(Number.NaN);
  if (begin < values.length) signal.set(emaOver(macd.subarray(begin), lengths.signal), begin);
  return { macd, signal, histogram: macd.map((value, index) => value - (signal[index] as number)) };
}
