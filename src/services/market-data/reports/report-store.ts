import type { Db } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import type { KeptSpan } from "./day-series.ts";

/** A series of an instrument. */
export interface SeriesKey {
  instrumentId: string;
  timeFrame: TimeFrame;
}

/** A stretch between two candles that is of no candle. */
export interface Gap {
  /** Number of the candle before it. */
  afterN: number;
  fromMs: number;
  toMs: number;
}

/** Gaps between the candles behind `afterN`, up to `toN`, oldest first. */
export async function readGaps(
  db: Db,
  { instrumentId, timeFrame, afterN, toN, limit }: SeriesKey & { afterN: number; toN: number; limit: number },
): Promise<Gap[]> {
  const { sql } = db;
  return await sql<Gap[]>`
    select n as "afterN", close_at_ms as "fromMs", next_ms as "toMs" from (
      select n, close_at_ms, lead(open_at_ms) over (order by n) as next_ms from market_data.candles
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and n > ${afterN} and n <= ${toN}
    ) pairs
    where next_ms > close_at_ms order by n limit ${limit}`;
}

/** The series of an instrument that have candles, each with the time of its first and its newest. */
export async function readSpans(db: Db, instrumentId: string): Promise<KeptSpan[]> {
  return await db.sql<KeptSpan[]>`
    select series.time_frame as "timeFrame", candle.open_at_ms as "firstOpenAtMs", series.head_open_at_ms as "headOpenAtMs"
    from market_data.series series join market_data.candles candle
      on candle.instrument_id = series.instrument_id and candle.time_frame = series.time_frame and candle.n = series.first_n
    where series.instrument_id = ${instrumentId} and series.head_n > 0`;
}

/** Prices of the candles of a series that open within a stretch, and what was traded in it. */
export interface Summary {
  firstOpenAtMs: number;
  closeAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

/** Null: no candle opens at `fromMs` or later. */
export async function readSummary(
  db: Db,
  { instrumentId, timeFrame }: SeriesKey,
  fromMs: number,
): Promise<Summary | null> {
  const [row] = await db.sql<(Omit<Summary, "closeAtMs"> & { lastOpenAtMs: number })[]>`
    with counted as (
      select n, open_at_ms, open, high, low, close, volume from market_data.candles
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and open_at_ms >= ${fromMs}
    ), ends as (
      select min(n) as first, max(n) as last, max(high) as high, min(low) as low, sum(volume) as volume from counted
    )
    select f.open_at_ms as "firstOpenAtMs", l.open_at_ms as "lastOpenAtMs", f.open, ends.high, ends.low, l.close, ends.volume
    from ends join counted f on f.n = ends.first join counted l on l.n = ends.last`;
  if (row === undefined) return null;
  const { firstOpenAtMs, lastOpenAtMs, open, high, low, close, volume } = row;
  return {
    firstOpenAtMs,
    closeAtMs: lastOpenAtMs + timeFrameMs(timeFrame),
    open: normalize(open),
    high: normalize(high),
    low: normalize(low),
    close: normalize(close),
    volume: normalize(volume),
  };
}
