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
  /** Number of its first candle; where it has none yet, of the first that it will have. */
  readonly firstN: number;
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
  const { instrumentId, timeFrame, source, firstN, headN, headOpenAtMs } = series;
  return { instrumentId, timeFrame, source, firstN: headN === 0 ? 0 : firstN, headN, headOpenAtMs };
}

/** How many candles it has. */
export function countOf({ firstN, headN }: Pick<Series, "firstN" | "headN">): number {
  return headN - firstN + 1;
}

/** Gives closed candles, oldest first, the next numbers behind the head. */
export function numbered(series: Series, closed: readonly ClosedPrices[]): Candle[] {
  return numberedFrom(series.headN + 1, series, closed);
}

/** Gives closed candles, oldest first, the numbers up to the one before the first. */
export function numberedBefore(series: Series, closed: readonly ClosedPrices[]): Candle[] {
  return numberedFrom(series.firstN - closed.length, series, closed);
}

function numberedFrom(n: number, series: Series, closed: readonly ClosedPrices[]): Candle[] {
  return closed.map((prices, index) => ({
    instrumentId: series.instrumentId,
    timeFrame: series.timeFrame,
    source: series.source,
    n: n + index,
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
