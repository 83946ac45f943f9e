import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { AppError, type ErrorKind } from "#shared/errors/app-error.ts";

/** By what the failure asks for; unknown failures count as permanent. */
const BACKOFFS: Readonly<Record<ErrorKind, Backoff>> = {
  transient: { firstMs: 100, longestMs: 30_000 },
  outage: { firstMs: 250, longestMs: 5_000 },
  permanent: { firstMs: 1_000, longestMs: 60_000 },
};

/** How long a failed task waits before it is begun again: doubled with each failure (from 1), with jitter, whole milliseconds. */
export function retryDelayMs(error: unknown, failures: number, random: number): number {
  const kind = error instanceof AppError ? error.kind : "permanent";
  return Math.round(backoffMs(BACKOFFS[kind], failures, random));
}
