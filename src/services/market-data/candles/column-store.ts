import { type ColumnName, type ColumnTexts, MOST_COLUMNS, textOfColumn } from "#shared/candles/column-text.ts";
import type { Db } from "#shared/db/db.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** Which candles: by their numbers, both ends included; at most MOST_COLUMNS. */
export interface ColumnsQuery {
  instrumentId: string;
  timeFrame: TimeFrame;
  fromN: number;
  toN: number;
}

/** float64 values as Postgres writes them, with the most significant byte first. */
type ColumnRow = Record<ColumnName, Buffer | null> & { count: number; exact: boolean };

/**
 * Closed candles as columns, made by Postgres: no candle of them is an object here. INVALID_INPUT: a price has more digits
 * than float64 keeps.
 */
export async function readCandleColumns(db: Db, query: ColumnsQuery): Promise<ColumnTexts> {
  const { instrumentId, timeFrame, fromN, toN } = query;
  // Up to 15 digits survive; beyond them it is looked whether what float64 keeps is the same decimal.
  const [row] = await db.sql<ColumnRow[]>`
    select count(*)::int as count,
      coalesce(bool_and(
        (greatest(scale(open), scale(high), scale(low), scale(close)) <= 8 and greatest(open, high, low, close) < 10000000)
        or (open::float8::text::numeric = open and high::float8::text::numeric = high
          and low::float8::text::numeric = low and close::float8::text::numeric = close)
      ), true) as exact,
      string_agg(float8send(open::float8), ''::bytea order by n) as open,
      string_agg(float8send(high::float8), ''::bytea order by n) as high,
      string_agg(float8send(low::float8), ''::bytea order by n) as low,
      string_agg(float8send(close::float8), ''::bytea order by n) as close,
      string_agg(float8send(volume::float8), ''::bytea order by n) as volume,
      string_agg(float8send(open_at_ms::float8), ''::bytea order by n) as "openAtMs",
      string_agg(float8send(close_at_ms::float8), ''::bytea order by n) as "closeAtMs"
    from market_data.candles
    where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and n between ${fromN} and ${Math.min(toN, fromN + MOST_COLUMNS - 1)}`;
  if (row === undefined) throw new AppError("INTERNAL", "permanent", "Postgres counted no candles.");
  if (!row.exact) {
    const message = `A price of candles ${fromN} to ${toN} has more digits than float64 keeps; it would be changed silently.`;
    throw new AppError("INVALID_INPUT", "permanent", message);
  }
  const { count, open, high, low, close, volume, openAtMs, closeAtMs } = row;
  return {
    count,
    open: textOf(open),
    high: textOf(high),
    low: textOf(low),
    close: textOf(close),
    volume: textOf(volume),
    openAtMs: textOf(openAtMs),
    closeAtMs: textOf(closeAtMs),
  };
}

function textOf(bytes: Buffer | null): string {
  if (bytes === null) return "";
  // A copy that begins at a multiple of eight, turned to the order in which it is sent.
  const own = Buffer.from(new Uint8Array(bytes).buffer).swap64();
  return textOfColumn(new Float64Array(own.buffer, own.byteOffset, own.byteLength / Float64Array.BYTES_PER_ELEMENT));
}
