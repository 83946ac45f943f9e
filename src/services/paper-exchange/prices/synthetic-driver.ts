import type { Logger } from "pino";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { pauseBefore, type SyntheticRules, tradeAfter } from "./synthetic-price.ts";

const SECOND_MS = 1_000;
const COMMIT_AGAIN: Backoff = { firstMs: 500, longestMs: 30_000 };

/**
 * Makes the trades of a synthetic market in wall-clock time, and closes its bars when their time is over, until the signal
 * aborts. A commit that fails is tried again, with growing pauses; nothing of the time in between is made up but bars
 * without trades.
 */
export async function driveSynthetic(
  market: Market,
  rules: SyntheticRules,
  run: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<void> {
  const { clock, log, signal } = run;
  let tradeAtMs = clock.nowMs();
  let failures = 0;
  while (!signal.aborted) {
    const nowMs = clock.nowMs();
    const secondEndsMs = (Math.floor(nowMs / SECOND_MS) + 1) * SECOND_MS;
    const untilDueMs = Math.max(0, Math.min(tradeAtMs, secondEndsMs) - nowMs);
    await clock.sleep(failures > 0 ? backoffMs(COMMIT_AGAIN, failures) : untilDueMs, signal);
    if (signal.aborted) return;
    try {
      market.closeCandles();
      if (clock.nowMs() >= tradeAtMs) {
        const { lastTradeId, lastPrice } = market.cursor;
        const last = { price: lastPrice ?? rules.startPrice, tradeId: lastTradeId, atMs: clock.nowMs() };
        const trade = market.trade(tradeAfter(rules, last));
        tradeAtMs = clock.nowMs() + pauseBefore(rules, trade.id);
      }
      failures = 0;
    } catch (error) {
      failures += 1;
      const pauseMs = backoffMs(COMMIT_AGAIN, failures);
      log.warn({ err: error, marketId: market.id, pauseMs }, "market could not be committed; trying again");
    }
  }
}
