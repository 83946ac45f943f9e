import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { Series } from "./series.ts";

/** Candles to add to a series, numbered. */
export interface Added {
  /** Oldest first; the last one has the number before the first. */
  before?: readonly Candle[];
  /** Oldest first; the first one has the number behind the head. */
  behind?: readonly Candle[];
  /** The last trade of the newest candle behind the head, where trades made it. */
  lastTradeId?: string | null;
}

/** `series`: as it was read. */
interface Change extends Required<Added> {
  series: Series;
}

/** What waits for the next statement. */
interface Waiting extends Change {
  resolve: (isAdded: boolean) => void;
  reject: (error: unknown) => void;
}

/** Candles that one statement adds, unless a single one of its series has more. */
const MOST_CANDLES = 2_000;

const keyOf = ({ instrumentId, timeFrame }: { instrumentId: string; timeFrame: string }) =>
  `${instrumentId} ${timeFrame}`;

/** Adds candles within a transaction, which rolls them back with the rest. False: as `SeriesEnds.extend` has it. */
export async function extendWithin(
  { sql }: Pick<Tx, "sql">,
  series: Series,
  { before = [], behind = [], lastTradeId = null }: Added,
): Promise<boolean> {
  if (before.length + behind.length === 0) return true;
  return (await writeAll(sql, [{ series, before, behind, lastTradeId }])).has(keyOf(series));
}

/**
 * Adds candles at the ends of series and moves these, in one statement for all series that wait while the one before it runs.
 * Each end is moved only where it stands as it was read: two writers never give a number twice.
 */
export class SeriesEnds {
  readonly #db: Db;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(db: Db) {
    this.#db = db;
  }

  /** False: an end is not where `series` has it, and nothing of it was written. */
  async extend(series: Series, { before = [], behind = [], lastTradeId = null }: Added): Promise<boolean> {
    if (before.length + behind.length === 0) return true;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#waiting.push({ series, before, behind, lastTradeId, resolve, reject });
    if (!this.#isRunning) void this.#run();
    return await promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#write(group);
      } catch (error) {
        await this.#writeAlone(group, error);
      }
    }
    this.#isRunning = false;
  }

  /** The longest that wait, each series once: the second change of one waits to see the first. */
  #nextGroup(): Waiting[] {
    const group: Waiting[] = [];
    const keys = new Set<string>();
    let candles = 0;
    for (const each of this.#waiting) {
      candles += each.before.length + each.behind.length;
      if (group.length > 0 && candles > MOST_CANDLES) break;
      if (keys.has(keyOf(each.series))) continue;
      keys.add(keyOf(each.series));
      group.push(each);
    }
    const taken = new Set(group);
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((each) => !taken.has(each)));
    return group;
  }

  /** One that cannot be written keeps no other from it. */
  async #writeAlone(group: readonly Waiting[], error: unknown): Promise<void> {
    if (group.length === 1) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const each of group) await this.#write([each]).catch(each.reject);
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const moved = await writeAll(this.#db.sql, group);
    for (const { series, resolve } of group) resolve(moved.has(keyOf(series)));
  }
}

/** Writes these changes, of a series each, in one statement. Gives the keys of the series that were moved. */
async function writeAll(sql: Sql, group: readonly Change[]): Promise<ReadonlySet<string>> {
  const end = <Value>(read: (one: Change) => Value): Value[] => group.map(read);
  const candles = group.flatMap(({ before, behind }) => [...before, ...behind]);
  const column = <Value>(read: (candle: Candle) => Value): Value[] => candles.map(read);
  const moved = await sql<{ instrumentId: string; timeFrame: string }[]>`
    with wanted as (
      select * from unnest(
        ${end(({ series }) => series.instrumentId)}::text[],
        ${end(({ series }) => series.timeFrame)}::text[],
        ${end(({ series }) => series.firstN)}::int[],
        ${end(({ series }) => series.headN)}::int[],
        ${end(({ before }) => before[0]?.n ?? null)}::int[],
        ${end(({ behind }) => behind.at(-1)?.n ?? null)}::int[],
        ${end(({ behind }) => behind.at(-1)?.openAtMs ?? null)}::bigint[],
        ${end(({ lastTradeId }) => lastTradeId)}::text[]
      ) as wanted (instrument_id, time_frame, read_first_n, read_head_n, first_n, head_n, head_open_at_ms, last_trade_id)
    ), moved as (
      update market_data.series kept
      set first_n = coalesce(wanted.first_n, kept.first_n),
        head_n = coalesce(wanted.head_n, kept.head_n),
        head_open_at_ms = coalesce(wanted.head_open_at_ms, kept.head_open_at_ms),
        last_trade_id = case when wanted.head_n is null then kept.last_trade_id else wanted.last_trade_id end
      from wanted
      where kept.instrument_id = wanted.instrument_id and kept.time_frame = wanted.time_frame
        and (wanted.head_n is null or kept.head_n = wanted.read_head_n)
        and (wanted.first_n is null or (kept.first_n = wanted.read_first_n and kept.head_n > 0))
      returning kept.instrument_id, kept.time_frame
    ), added as (
      insert into market_data.candles
        (instrument_id, time_frame, n, open_at_ms, close_at_ms, open, high, low, close, volume, received_at_ms)
      select added.*
      from unnest(
        ${column(({ instrumentId }) => instrumentId)}::text[],
        ${column(({ timeFrame }) => timeFrame)}::text[],
        ${column(({ n }) => n)}::int[],
        ${column(({ openAtMs }) => openAtMs)}::bigint[],
        ${column(({ closeAtMs }) => closeAtMs)}::bigint[],
        ${column(({ open }) => open)}::numeric[],
        ${column(({ high }) => high)}::numeric[],
        ${column(({ low }) => low)}::numeric[],
        ${column(({ close }) => close)}::numeric[],
        ${column(({ volume }) => volume)}::numeric[],
        ${column(({ receivedAtMs }) => receivedAtMs)}::float8[]
      ) as added (instrument_id, time_frame, n, open_at_ms, close_at_ms, open, high, low, close, volume, received_at_ms)
      join moved using (instrument_id, time_frame)
    )
    select instrument_id as "instrumentId", time_frame as "timeFrame" from moved`;
  return new Set(moved.map(keyOf));
}
