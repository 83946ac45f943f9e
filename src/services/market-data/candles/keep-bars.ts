import type { KeptSeries } from "#services/market-data/series/kept-series.ts";
import { contiguous } from "#shared/candles/bar-order.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import type { CandleWriter } from "./candle-writer.ts";

/**
 * Stores the bars of one instrument that a series wants, in the order they came. Duplicates are skipped. Before a hole the
 * venue is asked for what is missing, so that each bar gets its own number.
 */
export async function keepBars(kept: KeptSeries, writer: CandleWriter, bars: readonly VenueBar[]): Promise<void> {
  const [first] = bars;
  if (first === undefined) return;
  const wanted = (await kept.of(first.instrumentId)).filter(({ source }) => source === "bars");
  for (const series of wanted) {
    const own = bars.filter(({ timeFrame }) => timeFrame === series.timeFrame);
    const { next, hole } = contiguous(series.headOpenAtMs, own);
    const moved = await writer.add(series, next);
    // A head that another process moved, or a hole: the venue's list is what counts.
    if (moved === null || hole) await writer.catchUp(moved ?? series);
  }
}
