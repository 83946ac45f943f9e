import type { VenueBar } from "#shared/domain/candle.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";

/**
 * Makes one bar of the shorter bars in it, oldest first, one at least. Exact, and the same as of their trades: a bar without
 * volume has no trade, so that its prices count only where no bar has any. It names no bar before it.
 */
export function mergeBars(timeFrame: TimeFrame, bars: readonly [VenueBar, ...VenueBar[]]): VenueBar {
  const [begin] = bars;
  const traded = bars.filter(({ volume }) => volume !== "0");
  const counted = traded.length > 0 ? traded : bars;
  const first = traded[0] ?? begin;
  const last = counted.at(-1) ?? begin;
  let { high, low } = first;
  let volume = decimal("0");
  for (const bar of counted) {
    if (decimal(bar.high).gt(high)) high = bar.high;
    if (decimal(bar.low).lt(low)) low = bar.low;
    volume = volume.plus(bar.volume);
  }
  const openAtMs = candleOpenAtMs(timeFrame, begin.openAtMs);
  return {
    instrumentId: begin.instrumentId,
    timeFrame,
    openAtMs,
    closeAtMs: openAtMs + timeFrameMs(timeFrame),
    open: first.open,
    high,
    low,
    close: last.close,
    volume: plain(volume),
    prevOpenAtMs: null,
    receivedAtMs: (bars.at(-1) ?? begin).receivedAtMs,
  };
}
