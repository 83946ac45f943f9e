import type { Logger } from "pino";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";
import type { Market } from "./market.ts";

const COMMIT_AGAIN: Backoff = { firstMs: 500, longestMs: 30_000 };

/**
 * Drives a replay by the clock until it is finished or the signal aborts. A bar takes its length divided by the speed: its
 * prices come at its begin, one third, two thirds and its end, where it is also closed; the next bar begins at once, so
 * that nights and holidays take no time. A commit that fails is tried again, with growing pauses.
 */
export async function pace(
  market: Market,
  speed: number,
  run: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<void> {
  const { clock, log, signal } = run;
  const third = timeFrameMs(market.replay?.timeFrame ?? "1d") / 3 / speed;
  let failures = 0;
  while (!signal.aborted && !market.finished) {
    if (failures > 0) await clock.sleep(backoffMs(COMMIT_AGAIN, failures), signal);
    else if (market.cursor.points > 0) await clock.sleep(third, signal);
    else await clock.sleep(0, signal);
    if (signal.aborted) return;
    try {
      market.showNext();
      failures = 0;
    } catch (error) {
      failures += 1;
      const pauseMs = backoffMs(COMMIT_AGAIN, failures);
      log.warn({ err: error, marketId: market.id, pauseMs }, "market could not be committed; trying again");
    }
  }
}
