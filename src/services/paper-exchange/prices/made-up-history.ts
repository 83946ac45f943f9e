import { decimal } from "#shared/domain/decimal.ts";
import { candleOpenAtMs, timeFrameMs } from "#shared/domain/time-frame.ts";
import { type CandleRow, MADE_FRAMES } from "./candles.ts";
import { type SyntheticRules, tradeAfter } from "./synthetic-price.ts";

/** Trades that a made-up bar is made of. */
const TRADES = 4;

/**
 * Bars from before a synthetic market began, so many of each time frame up to `nowMs`, drawn from its seed. Each time frame
 * is made up by itself and ends near the first price.
 */
export function madeUpHistory(rules: SyntheticRules, count: number, nowMs: number): CandleRow[] {
  return MADE_FRAMES.flatMap((timeFrame, index) => {
    const lengthMs = timeFrameMs(timeFrame);
    const firstMs = candleOpenAtMs(timeFrame, nowMs) - count * lengthMs;
    // A draw of its own, and a regime for each bar; the last bar is at the first price, so that the two meet.
    const calm = { ...rules, seed: rules.seed + index + 1, regimeMs: lengthMs };
    let price = rules.startPrice;
    let tradeId = 0;
    return Array.from({ length: count }, (_, number): CandleRow => {
      const openAtMs = firstMs + number * lengthMs;
      const drawn = Array.from({ length: TRADES }, () => {
        const trade = tradeAfter(calm, { price, tradeId, atMs: openAtMs });
        tradeId += 1;
        price = number === count - 1 ? rules.startPrice : trade.price;
        return { price, size: trade.size };
      });
      const sorted = drawn.map((one) => one.price).toSorted((a, b) => decimal(a).cmp(decimal(b)));
      const volume = drawn.reduce((sum, { size }) => sum.plus(size), decimal("0"));
      const quote = drawn.reduce((sum, one) => sum.plus(decimal(one.size).times(one.price)), decimal("0"));
      return {
        timeFrame,
        openAtMs,
        open: drawn[0]?.price ?? price,
        high: sorted.at(-1) ?? price,
        low: sorted[0] ?? price,
        close: price,
        volume: volume.toFixed(),
        quote: quote.toFixed(),
        trades: TRADES,
        closed: true,
      };
    });
  });
}
