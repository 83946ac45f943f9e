import { AppError } from "#shared/errors/app-error.ts";

/**
 * What a failure of a handler asks for. unit: the unit waits or is another owner's, and no event is to blame. again: a few
 * quick tries. park: it may pass later. dead: trying again will not help.
 */
export type Verdict = "unit" | "again" | "park" | "dead";

/** Tries of a transient failure before its event is looked for and parked. */
export const QUICK_TRIES = 4;
const QUICK_MS = 25;

/** Pauses between tries of a parked event: they double from the first to the longest. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;

/** By its kind; what is no error of ours (a constraint, a fault in the code) may pass later. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof AppError)) return "park";
  if (error.kind === "outage" || error.code === "FENCED") return "unit";
  return error.kind === "transient" ? "again" : "dead";
}

/** The pause before quick try `tries + 1`, in milliseconds: a quarter of a second in all, with jitter. */
export function quickPauseMs(tries: number, random: number): number {
  return QUICK_MS * 2 ** (tries - 1) * (0.5 + random);
}

/** How long a parked event that has failed `tries` times waits for the next try, in milliseconds, with jitter. */
export function parkedPauseMs(tries: number, random: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(tries - 1, 20), LONGEST_MS) * (0.75 + random / 2);
}
