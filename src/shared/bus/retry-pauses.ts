import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";

/** Tries of a transient failure before its event is looked for and parked. */
export const QUICK_TRIES = 4;
const QUICK: Backoff = { firstMs: 25, longestMs: 1_000 };

/** Between tries of a parked event. */
const PARKED: Backoff = { firstMs: 250, longestMs: 30_000 };

/** The pause before quick try `tries + 1`, in milliseconds: a quarter of a second in all, with jitter. */
export function quickPauseMs(tries: number, random: number): number {
  return backoffMs(QUICK, tries, random);
}

/** How long a parked event that has failed `tries` times waits for the next try, in milliseconds, with jitter. */
export function parkedPauseMs(tries: number, random: number): number {
  return backoffMs(PARKED, tries, random);
}
