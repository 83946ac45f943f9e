import type { Db } from "#shared/db/db.ts";
import { seriesAtWorkSql } from "#shared/db/reference-rows.ts";
import type { Candle, CandleSource } from "#shared/domain/candle.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { type Added, SeriesEnds } from "./series/ends-store.ts";
import type { Series } from "./series/series.ts";

interface SeriesRow {
  instrument_id: string;
  time_frame: TimeFrame;
  source: CandleSource;
  forming: boolean;
  history: number;
  first_n: number;
  head_n: number;
  head_open_at_ms: number | null;
  last_trade_id: string | null;
}

interface CandleRow {
  instrument_id: string;
  time_frame: TimeFrame;
  source: CandleSource;
  n: number;
  open_at_ms: number;
  close_at_ms: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  received_at_ms: number;
}

function toSeries(row: SeriesRow): Series {
  return {
    instrumentId: row.instrument_id,
    timeFrame: row.time_frame,
    source: row.source,
    forming: row.forming,
    history: row.history,
    firstN: row.first_n,
    headN: row.head_n,
    headOpenAtMs: row.head_open_at_ms,
    lastTradeId: row.last_trade_id,
  };
}

function toCandle(row: CandleRow): Candle {
  return {
    instrumentId: row.instrument_id,
    timeFrame: row.time_frame,
    source: row.source,
    n: row.n,
    closed: true,
    openAtMs: row.open_at_ms,
    closeAtMs: row.close_at_ms,
    open: normalize(row.open),
    high: normalize(row.high),
    low: normalize(row.low),
    close: normalize(row.close),
    volume: normalize(row.volume),
    receivedAtMs: row.received_at_ms,
  };
}

/** Which candles to read: from a number on (none: from the first), or by the time they opened (from included, to not). */
export interface CandleQuery {
  instrumentId: string;
  timeFrame: TimeFrame;
  fromN?: number | undefined;
  fromMs?: number | undefined;
  toMs?: number | undefined;
  limit: number;
}

/** How many digits a decimal needs before and behind the point. */
export interface AmountDigits {
  whole: number;
  places: number;
}

/** The series, their candles and what is written to reference.instruments; candles are added by `SeriesEnds`. */
export class Store {
  readonly #db: Db;
  readonly #ends: SeriesEnds;

  constructor(db: Db) {
    this.#db = db;
    this.#ends = new SeriesEnds(db);
  }

  async incarnation(): Promise<string> {
    const [row] = await this.#db.sql<{ id: string }[]>`select id from market_data.incarnation`;
    return row?.id ?? "";
  }

  async series(instrumentId: string, timeFrame: TimeFrame): Promise<Series | null> {
    const [row] = await this.#db.sql<SeriesRow[]>`
      select * from market_data.series where instrument_id = ${instrumentId} and time_frame = ${timeFrame}`;
    return row === undefined ? null : toSeries(row);
  }

  async seriesOfInstrument(instrumentId: string): Promise<Series[]> {
    const rows = await this.#db.sql<SeriesRow[]>`
      select * from market_data.series where instrument_id = ${instrumentId} order by time_frame`;
    return rows.map(toSeries);
  }

  /** All series, or those of an instrument or a time frame. */
  async listSeries({
    instrumentId,
    timeFrame,
  }: {
    instrumentId?: string | undefined;
    timeFrame?: TimeFrame | undefined;
  }): Promise<Series[]> {
    const { sql } = this.#db;
    const rows = await sql<SeriesRow[]>`
      select * from market_data.series
      where ${instrumentId === undefined ? sql`true` : sql`instrument_id = ${instrumentId}`}
        and ${timeFrame === undefined ? sql`true` : sql`time_frame = ${timeFrame}`}
      order by instrument_id, time_frame`;
    return rows.map(toSeries);
  }

  /**
   * Makes the series unless it is there. `forming` can be turned on later, the source never changes. Its history grows with
   * what is asked for until its first candle has a number.
   */
  async ensureSeries(series: Series, partition: number, nowMs: number): Promise<Series> {
    const [row] = await this.#db.sql<SeriesRow[]>`
      insert into market_data.series as kept
        (instrument_id, time_frame, source, forming, history, partition, created_at_ms)
      values (${series.instrumentId}, ${series.timeFrame}, ${series.source}, ${series.forming}, ${series.history},
        ${partition}, ${nowMs})
      on conflict (instrument_id, time_frame) do update set
        forming = kept.forming or excluded.forming,
        history = case when kept.head_n = 0 then greatest(kept.history, excluded.history) else kept.history end
      returning *`;
    return row === undefined ? series : toSeries(row);
  }

  /**
   * Adds candles at one end of a series or at both, and moves them: all or none. False: an end is not where `series` has it, and
   * nothing was written.
   */
  async extend(series: Series, added: Added): Promise<boolean> {
    return await this.#ends.extend(series, added);
  }

  /** Keeps a venue's instruments as they are now. Gives the ids of those that are gone since. */
  async keepInstruments(venue: string, instruments: readonly Instrument[], nowMs: number): Promise<string[]> {
    const { sql } = this.#db;
    const rows = instruments.map((instrument) => ({ id: instrument.id, venue, instrument }));
    // As JSON in one parameter: a real venue has thousands.
    await sql`
      insert into reference.instruments (id, venue, instrument, updated_at_ms)
      select row ->> 'id', row ->> 'venue', row -> 'instrument', ${nowMs}
      from jsonb_array_elements(${sql.json(rows)}::jsonb) as row
      on conflict (id) do update
      set instrument = excluded.instrument, updated_at_ms = excluded.updated_at_ms
      where reference.instruments.instrument is distinct from excluded.instrument`;
    // The row of one that is gone stays: orders and positions name it.
    const gone = await sql<{ id: string }[]>`
      update reference.instruments
      set instrument = jsonb_set(instrument, '{status}', '"GONE"'), updated_at_ms = ${nowMs}
      where venue = ${venue} and instrument ->> 'status' <> 'GONE' and id <> all(${rows.map(({ id }) => id)})
      returning id`;
    return gone.map(({ id }) => id);
  }

  async candles({ instrumentId, timeFrame, fromN, fromMs = 0, toMs, limit }: CandleQuery): Promise<Candle[]> {
    const { sql } = this.#db;
    const rows = await sql<CandleRow[]>`
      select candle.*, series.source
      from market_data.candles candle join market_data.series series using (instrument_id, time_frame)
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame}
        ${fromN === undefined ? sql`` : sql`and n >= ${fromN}`}
        ${fromMs > 0 ? sql`and open_at_ms >= ${fromMs}` : sql``}
        ${toMs === undefined ? sql`` : sql`and open_at_ms < ${toMs}`}
      order by n limit ${limit}`;
    return rows.map(toCandle);
  }

  /** Those candles of a series that opened at one of these times. */
  async candlesAt({ instrumentId, timeFrame }: Series, openings: readonly number[]): Promise<Candle[]> {
    const rows = await this.#db.sql<CandleRow[]>`
      select candle.*, series.source
      from market_data.candles candle join market_data.series series using (instrument_id, time_frame)
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and open_at_ms = any(${[...openings]}::bigint[])
      order by n`;
    return rows.map(toCandle);
  }

  /** The digits that the amounts of these candles need, both ends included; none: 1 and 0. */
  async digits({
    instrumentId,
    timeFrame,
    fromN,
    toN,
  }: Pick<Series, "instrumentId" | "timeFrame"> & { fromN: number; toN: number }): Promise<
    Record<"open" | "high" | "low" | "close" | "volume", AmountDigits>
  > {
    const { sql } = this.#db;
    const digitsOf = (name: string) => sql`jsonb_build_object(
      'whole', coalesce(length(trunc(max(${sql(name)}))::text), 1),
      'places', coalesce(max(scale(trim_scale(${sql(name)}))), 0)) as ${sql(name)}`;
    const [row] = await sql<Record<"open" | "high" | "low" | "close" | "volume", AmountDigits>[]>`
      select ${digitsOf("open")}, ${digitsOf("high")}, ${digitsOf("low")}, ${digitsOf("close")}, ${digitsOf("volume")}
      from market_data.candles
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and n between ${fromN} and ${toN}`;
    if (row === undefined) throw new AppError("INTERNAL", "permanent", "Postgres counted no digits.");
    return row;
  }

  /** Whether a session at work names the instrument: only then data-collect listens to its venue. */
  async isFollowed(instrumentId: string): Promise<boolean> {
    const { sql } = this.#db;
    const rows = await sql`
      select 1 from (${seriesAtWorkSql(sql)}) at_work where instrument_id = ${instrumentId} limit 1`;
    return rows.length > 0;
  }

  /** When the first candle of a series opened; null: it has none. */
  async first({
    instrumentId,
    timeFrame,
  }: Pick<Series, "instrumentId" | "timeFrame">): Promise<{ openAtMs: number } | null> {
    const [row] = await this.#db.sql<{ open_at_ms: number }[]>`
      select open_at_ms from market_data.candles
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} order by n limit 1`;
    return row === undefined ? null : { openAtMs: row.open_at_ms };
  }

  /** The newest candle of each series in these partitions. */
  async heads(partitions: readonly number[]): Promise<Candle[]> {
    const rows = await this.#db.sql<CandleRow[]>`
      select candle.*, series.source
      from market_data.series series join market_data.candles candle using (instrument_id, time_frame)
      where series.partition = any(${[...partitions]}::int[]) and candle.n = series.head_n`;
    return rows.map(toCandle);
  }
}
