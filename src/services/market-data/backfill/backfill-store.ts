import type { Sql, Tx } from "#shared/db/db.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { storable } from "#shared/errors/storable-text.ts";
import type { Backfill } from "./contract.ts";
import type { Place, Target } from "./target.ts";

/** Which series. */
export interface SeriesKey {
  instrumentId: string;
  timeFrame: TimeFrame;
}

/** One that is not over, as its worker sees it. */
export interface OpenBackfill extends SeriesKey, Target {
  id: string;
  cursorMs: number;
  failures: number;
}

/** Where the series of an open one stands, its row locked. `begun`: where it stood when it was asked for. */
export interface LockedBackfill extends OpenBackfill {
  firstN: number;
  seriesCount: number;
  begun: Place;
}

/** How far a page has brought it. */
export interface Step {
  cursorMs: number;
  /** When the first candle of the series opened; null: as before. */
  oldestOpenAtMs: number | null;
  added: number;
  progress: number;
}

const columns = (sql: Sql) => sql`
  id, instrument_id as "instrumentId", time_frame as "timeFrame", state, from_ms as "fromMs", count, added,
  oldest_open_at_ms as "oldestOpenAtMs", progress, end_reason as "endReason", error, created_at_ms as "createdAtMs",
  finished_at_ms as "finishedAtMs"`;
const workColumns = (sql: Sql) => sql`
  id, instrument_id as "instrumentId", time_frame as "timeFrame", from_ms as "fromMs", count, cursor_ms as "cursorMs", failures`;

/** Nobody else then makes, resumes or works a back-fill of the series, or moves an end of it. Null: there is no such series. */
async function lockSeries(
  tx: Tx,
  { instrumentId, timeFrame }: SeriesKey,
): Promise<{ firstN: number; headN: number } | null> {
  const [row] = await tx.sql<{ firstN: number; headN: number }[]>`
    select first_n as "firstN", head_n as "headN" from market_data.series
    where instrument_id = ${instrumentId} and time_frame = ${timeFrame} for no key update`;
  return row ?? null;
}

/**
 * Keeps a back-fill, of a series with candles, unless one of its series is open: then that one goes as far as the further of both.
 * Gives the id of the one that stands.
 */
export async function insertBackfill(
  tx: Tx,
  { id, atMs, ...wanted }: SeriesKey & Target & { id: string; atMs: number },
): Promise<string> {
  const { instrumentId, timeFrame, fromMs, count } = wanted;
  await lockSeries(tx, wanted);
  const [row] = await tx.sql<{ id: string }[]>`
    insert into market_data.backfills as kept (id, instrument_id, time_frame, from_ms, count, begun_open_at_ms, begun_count,
      cursor_ms, oldest_open_at_ms, created_at_ms)
    select ${id}, s.instrument_id, s.time_frame, ${fromMs}, ${count}, c.open_at_ms, s.head_n - s.first_n + 1, c.open_at_ms,
      c.open_at_ms, ${atMs}
    from market_data.series s join market_data.candles c
      on c.instrument_id = s.instrument_id and c.time_frame = s.time_frame and c.n = s.first_n
    where s.instrument_id = ${instrumentId} and s.time_frame = ${timeFrame}
    on conflict (instrument_id, time_frame) where state in ('QUEUED', 'RUNNING')
    do update set from_ms = least(kept.from_ms, excluded.from_ms), count = greatest(kept.count, excluded.count)
    returning id`;
  return row?.id ?? id;
}

export async function readBackfill(sql: Sql, id: string): Promise<Backfill | null> {
  const rows = await sql<Backfill[]>`select ${columns(sql)} from market_data.backfills where id = ${id}`;
  return rows[0] ?? null;
}

/** Back-fills, oldest first, after the one given. */
export async function listBackfills(
  sql: Sql,
  of: { instrumentId?: string | undefined; timeFrame?: TimeFrame | undefined; state?: Backfill["state"] | undefined },
  { after, limit }: { after: [createdAtMs: number, id: string] | null; limit: number },
): Promise<Backfill[]> {
  const [atMs, id] = after ?? [-1, "00000000-0000-0000-0000-000000000000"];
  return await sql<Backfill[]>`
    select ${columns(sql)} from market_data.backfills
    where (created_at_ms, id) > (${atMs}, ${id}::uuid)
      and ${of.instrumentId === undefined ? sql`true` : sql`instrument_id = ${of.instrumentId}`}
      and ${of.timeFrame === undefined ? sql`true` : sql`time_frame = ${of.timeFrame}`}
      and ${of.state === undefined ? sql`true` : sql`state = ${of.state}`}
    order by created_at_ms, id limit ${limit}`;
}

/** It is RUNNING from now on. Null: it is over. */
export async function beginBackfill(tx: Tx, id: string): Promise<OpenBackfill | null> {
  const [row] = await tx.sql<OpenBackfill[]>`
    update market_data.backfills set state = 'RUNNING' where id = ${id} and state in ('QUEUED', 'RUNNING')
    returning ${workColumns(tx.sql)}`;
  return row ?? null;
}

/** One that is not over, with its series; both are locked. Null: it is over. */
export async function lockBackfill(tx: Tx, key: SeriesKey & { id: string }): Promise<LockedBackfill | null> {
  const series = await lockSeries(tx, key);
  const [row] = await tx.sql<(OpenBackfill & { begunCount: number; begunOpenAtMs: number })[]>`
    select ${workColumns(tx.sql)}, begun_count as "begunCount", begun_open_at_ms as "begunOpenAtMs"
    from market_data.backfills where id = ${key.id} and state in ('QUEUED', 'RUNNING') for no key update`;
  if (row === undefined || series === null) return null;
  const { begunCount, begunOpenAtMs, ...open } = row;
  const { firstN, headN } = series;
  return { ...open, firstN, seriesCount: headN - firstN + 1, begun: { count: begunCount, cursorMs: begunOpenAtMs } };
}

export async function writeStep(tx: Tx, id: string, step: Step): Promise<void> {
  await tx.sql`
    update market_data.backfills set cursor_ms = ${step.cursorMs}, added = added + ${step.added}, failures = 0, error = null,
      oldest_open_at_ms = coalesce(${step.oldestOpenAtMs}, oldest_open_at_ms), progress = greatest(progress, ${step.progress})
    where id = ${id}`;
}

/** The venue was asked in vain; it is asked again. */
export async function writeFailure(tx: Tx, id: string, error: string): Promise<void> {
  await tx.sql`
    update market_data.backfills set failures = failures + 1, error = ${storable(error)} where id = ${id}`;
}

/** Ends one that is not over. False: it was over, or there is none. */
export async function endBackfill(
  tx: Tx,
  id: string,
  end: { atMs: number } & (
    | { state: "DONE"; endReason: string; oldestOpenAtMs: number }
    | { state: "FAILED" | "CANCELED"; error: string }
  ),
): Promise<boolean> {
  const isDone = end.state === "DONE";
  const result = await tx.sql`
    update market_data.backfills set state = ${end.state}, finished_at_ms = ${end.atMs},
      error = ${isDone ? null : storable(end.error)}, end_reason = ${isDone ? end.endReason : null},
      oldest_open_at_ms = ${isDone ? end.oldestOpenAtMs : tx.sql`oldest_open_at_ms`},
      progress = ${isDone ? 1 : tx.sql`progress`}
    where id = ${id} and state in ('QUEUED', 'RUNNING')`;
  return result.count === 1;
}

/** Lets one go on that was canceled or has failed. False: it is in another state, or another one of its series is open. */
export async function resumeBackfill(tx: Tx, key: SeriesKey & { id: string }): Promise<boolean> {
  await lockSeries(tx, key);
  const result = await tx.sql`
    update market_data.backfills set state = 'QUEUED', error = null, failures = 0, finished_at_ms = null
    where id = ${key.id} and state in ('CANCELED', 'FAILED') and not exists (
      select from market_data.backfills other where other.instrument_id = ${key.instrumentId}
        and other.time_frame = ${key.timeFrame} and other.state in ('QUEUED', 'RUNNING'))`;
  return result.count === 1;
}
