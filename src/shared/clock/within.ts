import type { Clock } from "./clock.ts";

/** A signal that others end. */
export interface Ending {
  signal: AbortSignal;
  /** Lets go of those that end it. */
  release(): void;
}

/** A signal that aborts with the first of these, and its reason. Unlike AbortSignal.any it leaves nothing behind at those that live long. */
export function firstOf(signals: readonly AbortSignal[]): Ending {
  const ending = new AbortController();
  const end = (): void => ending.abort(signals.find(({ aborted }) => aborted)?.reason);
  for (const signal of signals) signal.addEventListener("abort", end, { once: true });
  if (signals.some(({ aborted }) => aborted)) end();
  return {
    signal: ending.signal,
    release() {
      for (const signal of signals) signal.removeEventListener("abort", end);
    },
  };
}

/** One that aborts with another one, or after so many milliseconds. */
export function within(signal: AbortSignal, clock: Pick<Clock, "after">, timeoutMs: number): Ending {
  const late = new AbortController();
  const callOff = clock.after(timeoutMs, () => late.abort());
  const ending = firstOf([signal, late.signal]);
  return {
    signal: ending.signal,
    release() {
      callOff();
      ending.release();
    },
  };
}
