import pRetry from "p-retry";

const PAUSE_MS = 100;
const WAIT_MS = 30_000;

/** Does it again until it succeeds: the server may be coming back from the fault before. Rejects with the last error after 30 s. */
export function untilAnswered<T>(run: () => Promise<T>): Promise<T> {
  return pRetry(run, {
    retries: WAIT_MS / PAUSE_MS,
    minTimeout: PAUSE_MS,
    maxTimeout: PAUSE_MS,
    maxRetryTime: WAIT_MS,
  });
}
