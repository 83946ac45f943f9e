/** Pauses that double with each failure in a row, in milliseconds. */
export interface Backoff {
  firstMs: number;
  longestMs: number;
}

/** Between tries to connect to a server again. */
export const RECONNECT: Backoff = { firstMs: 50, longestMs: 1_000 };

/**
 * The pause after so many failures in a row (from 1), in milliseconds. `random` from [0, 1) spreads it by a quarter to both sides, so
 * that those who failed together do not come together again; undefined: it is not spread.
 */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number, random?: number): number {
  const pauseMs = Math.min(firstMs * 2 ** Math.min(Math.max(failures, 1) - 1, 30), longestMs);
  return random === undefined ? pauseMs : pauseMs * (0.75 + random / 2);
}
