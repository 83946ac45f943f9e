import type { Candle } from "#shared/domain/candle.ts";
import { COLUMN_NAMES, type ColumnName, type ColumnTexts, textOfColumn } from "./column-text.ts";
import type { CandleColumns } from "./columns.ts";

type CandlePrices = Pick<Candle, "open" | "high" | "low" | "close" | "volume" | "openAtMs" | "closeAtMs">;

/** Columns of candles whose prices float64 keeps. */
export function columnsOf(candles: readonly CandlePrices[]): CandleColumns {
  const column = (read: (candle: CandlePrices) => number): Float64Array => Float64Array.from(candles, read);
  return {
    length: candles.length,
    open: column((candle) => Number(candle.open)),
    high: column((candle) => Number(candle.high)),
    low: column((candle) => Number(candle.low)),
    close: column((candle) => Number(candle.close)),
    volume: column((candle) => Number(candle.volume)),
    openAtMs: column((candle) => candle.openAtMs),
    closeAtMs: column((candle) => candle.closeAtMs),
  };
}

/** Columns as market-data answers them. */
export function textsOfColumns(columns: CandleColumns): ColumnTexts {
  const texts = Object.fromEntries(COLUMN_NAMES.map((name) => [name, textOfColumn(columns[name])]));
  return { count: columns.length, ...(texts as Record<ColumnName, string>) };
}
