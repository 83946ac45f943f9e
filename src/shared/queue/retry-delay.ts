import { AppError } from "#shared/errors/app-error.ts";

/** First and longest delay in milliseconds by what the failure asks for; unknown failures count as permanent. */
const DELAYS = {
  transient: { firstMs: 100, longestMs: 30_000 },
  outage: { firstMs: 250, longestMs: 5_000 },
  permanent: { firstMs: 1_000, longestMs: 60_000 },
} as const;

/** How long a failed task waits before it is begun again: doubled with each failure (from 1), with jitter, whole milliseconds. */
export function retryDelayMs(error: unknown, failures: number, random: number): number {
  const { firstMs, longestMs } = DELAYS[error instanceof AppError ? error.kind : "permanent"];
  return Math.round(Math.min(firstMs * 2 ** Math.min(Math.max(failures, 1) - 1, 20), longestMs) * (0.75 + random / 2));
}
