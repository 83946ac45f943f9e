import type { Clock } from "#shared/clock/clock.ts";

/** A signal that others end. */
export interface Ending {
  signal: AbortSignal;
  /** Lets go of those that end it. */
  release(): void;
}

/** A signal that aborts with the first of these. Unlike AbortSignal.any it leaves nothing behind at those that live long. */
export function firstOf(signals: readonly AbortSignal[]): Ending {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  for (const signal of signals) {
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  }
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
