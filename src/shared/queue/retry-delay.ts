import { AppError } from "#shared/errors/app-error.ts";

/** First and longest delay in milliseconds by what the failure asks for; unknown failures count as permanent. */
const DELAYS = {
  transient: { firstMs: 100, longestMs: 10_000 },
  outage: { firstMs: 250, longestMs: 5_000 },
  permanent: { firstMs: 1_000, longestMs: 60_000 },
} as const;

/** How long a failed task waits before it is begun again: doubled with each attempt (from 1), whole milliseconds. */
export function retryDelayMs(error: unknown, attempts: number): number {
  const { firstMs, longestMs } = DELAYS[error instanceof AppError ? error.kind : "permanent"];
  return Math.min(firstMs * 2 ** Math.min(Math.max(attempts, 1) - 1, 20), longestMs);
}
