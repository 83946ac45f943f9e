import type { Candle, CandleSource } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { SeriesHead } from "#shared/http/clients.ts";

/** A kept series: what it is, and how far it is. */
export interface Series {
  readonly instrumentId: string;
  readonly timeFrame: TimeFrame;
  readonly source: CandleSource;
  readonly forming: boolean;
  readonly history: number;
  readonly headN: number;
  readonly headOpenAtMs: number | null;
  readonly lastTradeId: string | null;
}

/** A closed candle before it has its number. */
export type ClosedPrices = Pick<
  Candle,
  "openAtMs" | "closeAtMs" | "open" | "high" | "low" | "close" | "volume" | "receivedAtMs"
>;

/** The contract's form of a series. */
export function headOf(series: Series): SeriesHead {
  const { instrumentId, timeFrame, source, headN, headOpenAtMs } = series;
  return { instrumentId, timeFrame, source, firstN: headN === 0 ? 0 : 1, headN, headOpenAtMs };
}

/** Gives the next numbers behind the head to closed candles, oldest first. */
export function numbered(series: Series, closed: readonly ClosedPrices[]): Candle[] {
  return closed.map((prices, index) => ({
    instrumentId: series.instrumentId,
    timeFrame: series.timeFrame,
    source: series.source,
    n: series.headN + index + 1,
    closed: true,
    openAtMs: prices.openAtMs,
    closeAtMs: prices.closeAtMs,
    open: prices.open,
    high: prices.high,
    low: prices.low,
    close: prices.close,
    volume: prices.volume,
    receivedAtMs: prices.receivedAtMs,
  }));
}

/**
 * The number that a forming candle will have: one above the head. Two above it while the candle before it, which opened at
 * `beforeOpenAtMs`, is not closed yet.
 */
export function formingNumber(series: Series, openAtMs: number, beforeOpenAtMs: number | null): number {
  const head = series.headOpenAtMs ?? -1;
  const isOpenBefore = beforeOpenAtMs !== null && beforeOpenAtMs > head && beforeOpenAtMs < openAtMs;
  return series.headN + (isOpenBefore ? 2 : 1);
}
