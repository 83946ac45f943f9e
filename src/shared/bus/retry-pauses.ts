/** Tries of a transient failure before its event is looked for and parked. */
export const QUICK_TRIES = 4;
const QUICK_MS = 25;

/** Pauses between tries of a parked event: they double from the first to the longest. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;

/** The pause before quick try `tries + 1`, in milliseconds: a quarter of a second in all, with jitter. */
export function quickPauseMs(tries: number, random: number): number {
  return QUICK_MS * 2 ** (tries - 1) * (0.5 + random);
}

/** How long a parked event that has failed `tries` times waits for the next try, in milliseconds, with jitter. */
export function parkedPauseMs(tries: number, random: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(tries - 1, 20), LONGEST_MS) * (0.75 + random / 2);
}
