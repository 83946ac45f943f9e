import type { RunFigures } from "#services/backtest/threads/sweep-task.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { storable } from "#shared/errors/storable-text.ts";
import type { Sweep, SweepRequest } from "./contract.ts";

/** A sweep to be kept, with the parameters of its runs in their order. */
export interface NewSweep {
  id: string;
  request: SweepRequest;
  strategyVersion: string;
  params: readonly Record<string, unknown>[];
  /** How many runs a part has. */
  partSize: number;
  leftOut: number;
  leftOutReason: string | null;
  key: string | null;
  fingerprint: string;
  atMs: number;
}

/** What all runs of a sweep use, as it is pinned. */
export interface Pinned {
  instrument: Instrument;
  firstN: number;
  lastN: number;
  barsReason: string;
}

/** A sweep at work. Pinned: null until a worker has looked. */
export interface WorkedSweep {
  id: string;
  request: SweepRequest;
  strategyVersion: string;
  pinned: Pinned | null;
}

/** A run that is not over. */
export interface WaitingRun {
  number: number;
  params: Record<string, unknown>;
  /** How often its thread has ended under it. */
  threadEnds: number;
}

/** What came of a run. QUEUED: its thread has ended, so often by now, and it is tried again. */
export type TriedRun = { number: number } & (
  | ({ state: "DONE" } & RunFigures)
  | { state: "FAILED"; error: string }
  | { state: "QUEUED"; threadEnds: number }
);

/** Rows of one statement. */
const ROWS = 2_000;

/** Inserts a sweep with its runs. False: one stands under this key already. */
export async function insertSweep(tx: Tx, sweep: NewSweep): Promise<boolean> {
  const { id, request, strategyVersion, params, partSize, leftOut, leftOutReason, key, fingerprint, atMs } = sweep;
  const inserted = await tx.sql`
    insert into backtest.sweeps (id, request, strategy_version, runs, left_out, left_out_reason, idempotency_key,
      fingerprint, created_at_ms)
    values (${id}, ${tx.sql.json(request as never)}, ${strategyVersion}, ${params.length}, ${leftOut}, ${leftOutReason},
      ${key}, ${fingerprint}, ${atMs})
    on conflict (idempotency_key) do nothing`;
  if (inserted.count === 0) return false;
  for (let from = 0; from < params.length; from += ROWS) {
    const rows = params.slice(from, from + ROWS);
    await tx.sql`
      insert into backtest.sweep_runs (sweep_id, number, part, params)
      select ${id}::uuid, ${from} + place, (${from} + place - 1) / ${partSize}::integer, params
      from jsonb_array_elements(${tx.sql.json(rows as never)}) with ordinality as given (params, place)`;
  }
  return true;
}

/** The sweep that stands under an idempotency key. */
export async function findSweepByKey(sql: Sql, key: string): Promise<{ id: string; fingerprint: string } | null> {
  const rows = await sql<{ id: string; fingerprint: string }[]>`
    select id, fingerprint from backtest.sweeps where idempotency_key = ${key}`;
  return rows[0] ?? null;
}

const sweepColumns = (sql: Sql) => sql`
  id, state, request, strategy_version as "strategyVersion", runs, done, failed, left_out as "leftOut",
  left_out_reason as "leftOutReason", (done + failed)::float8 / runs as progress, last_n - first_n + 1 as bars,
  bars_reason as "barsReason", error, created_at_ms as "createdAtMs", finished_at_ms as "finishedAtMs"`;

export async function readSweep(sql: Sql, id: string): Promise<Sweep | null> {
  const rows = await sql<Sweep[]>`select ${sweepColumns(sql)} from backtest.sweeps where id = ${id}`;
  return rows[0] ?? null;
}

/** Sweeps, oldest first, after the one given. */
export async function listSweeps(sql: Sql, after: [number, string] | null, limit: number): Promise<Sweep[]> {
  const [atMs, id] = after ?? [-1, "00000000-0000-0000-0000-000000000000"];
  return await sql<Sweep[]>`
    select ${sweepColumns(sql)} from backtest.sweeps where (created_at_ms, id) > (${atMs}, ${id}::uuid)
    order by created_at_ms, id limit ${limit}`;
}

/** A part's sweep and the runs of it that are not over; the sweep is RUNNING from now on. Null: it is over. */
export async function beginPart(
  tx: Tx,
  { sweepId, part }: { sweepId: string; part: number },
): Promise<{ sweep: WorkedSweep; runs: WaitingRun[] } | null> {
  const [row] = await tx.sql<(Omit<WorkedSweep, "pinned"> & Partial<Pinned>)[]>`
    update backtest.sweeps set state = 'RUNNING' where id = ${sweepId} and state in ('QUEUED', 'RUNNING')
    returning id, request, strategy_version as "strategyVersion", instrument, first_n as "firstN", last_n as "lastN",
      bars_reason as "barsReason"`;
  if (row === undefined) return null;
  const runs = await tx.sql<WaitingRun[]>`
    select number, params, thread_ends as "threadEnds" from backtest.sweep_runs
    where sweep_id = ${sweepId} and part = ${part} and state = 'QUEUED' order by number`;
  const { id, request, strategyVersion, ...pinned } = row;
  return { sweep: { id, request, strategyVersion, pinned: pinnedOf(pinned) }, runs: [...runs] };
}

function pinnedOf({ instrument, firstN, lastN, barsReason }: Partial<Pinned>): Pinned | null {
  if (!instrument || firstN == null || lastN == null || barsReason == null) return null;
  return { instrument, firstN, lastN, barsReason };
}

/** Pins what all runs of a sweep use, unless another worker was first: then gives what that one pinned. */
export async function pinSweep(tx: Tx, id: string, pinned: Pinned): Promise<Pinned> {
  const { instrument, firstN, lastN, barsReason } = pinned;
  await tx.sql`
    update backtest.sweeps set instrument = ${tx.sql.json(instrument as never)}, first_n = ${firstN}, last_n = ${lastN},
      bars_reason = ${barsReason}
    where id = ${id} and first_n is null`;
  const [row] = await tx.sql<Pinned[]>`
    select instrument, first_n as "firstN", last_n as "lastN", bars_reason as "barsReason"
    from backtest.sweeps where id = ${id}`;
  return row ?? pinned;
}

/**
 * Writes what came of runs, what is over once, and how much is over now; the last one ends the sweep. False: the sweep is not at
 * work any more, and nothing was written.
 */
export async function writeRuns(tx: Tx, id: string, tried: readonly TriedRun[], atMs: number): Promise<boolean> {
  const active = await tx.sql`
    select 1 from backtest.sweeps where id = ${id} and state in ('QUEUED', 'RUNNING') for no key update`;
  if (active.length === 0) return false;
  if (tried.length === 0) return true;
  const rows = tried.map((run) => (run.state === "FAILED" ? { ...run, error: storable(run.error) } : run));
  await tx.sql`
    with written as (
      update backtest.sweep_runs r set state = given.state, statistics = given.statistics, denials = given.denials,
        error = given.error, thread_ends = coalesce(given."threadEnds", r.thread_ends),
        finished_at_ms = case when given.state <> 'QUEUED' then ${atMs}::bigint end
      from jsonb_to_recordset(${tx.sql.json(rows as never)})
        as given (number integer, state text, statistics jsonb, denials jsonb, error text, "threadEnds" integer)
      where r.sweep_id = ${id} and r.number = given.number and r.state = 'QUEUED'
      returning r.state
    ), counted as (
      select count(*) filter (where state = 'DONE') as done, count(*) filter (where state = 'FAILED') as failed from written
    )
    update backtest.sweeps s set done = s.done + c.done, failed = s.failed + c.failed,
      state = case when s.done + c.done + s.failed + c.failed = s.runs then 'DONE' else s.state end,
      finished_at_ms = case when s.done + c.done + s.failed + c.failed = s.runs then ${atMs}::bigint end
    from counted c where s.id = ${id}`;
  return true;
}

/** Whether a part has runs that are not over. */
export async function isWaiting(tx: Tx, { sweepId, part }: { sweepId: string; part: number }): Promise<boolean> {
  const rows = await tx.sql`
    select 1 from backtest.sweep_runs where sweep_id = ${sweepId} and part = ${part} and state = 'QUEUED' limit 1`;
  return rows.length > 0;
}

/** Ends a sweep that cannot be worked; what is done of it stays. */
export async function failSweep(tx: Tx, id: string, error: string, atMs: number): Promise<void> {
  await tx.sql`
    update backtest.sweeps set state = 'FAILED', error = ${storable(error)}, finished_at_ms = ${atMs}
    where id = ${id} and state in ('QUEUED', 'RUNNING')`;
}

/** Ends a sweep that is not over. False: it was over, or there is none. */
export async function cancelSweep(tx: Tx, id: string, atMs: number): Promise<boolean> {
  const result = await tx.sql`
    update backtest.sweeps set state = 'CANCELED', error = 'It was canceled.', finished_at_ms = ${atMs}
    where id = ${id} and state in ('QUEUED', 'RUNNING')`;
  return result.count === 1;
}

/** The parts with runs that are not over. */
export async function waitingParts(tx: Tx, id: string): Promise<number[]> {
  const rows = await tx.sql<{ part: number }[]>`
    select distinct part from backtest.sweep_runs where sweep_id = ${id} and state = 'QUEUED' order by part`;
  return rows.map(({ part }) => part);
}

/** Lets a sweep go on that was canceled or has failed. False: it is in another state. */
export async function resumeSweep(tx: Tx, id: string): Promise<boolean> {
  const result = await tx.sql`
    update backtest.sweeps set state = 'QUEUED', error = null, finished_at_ms = null
    where id = ${id} and state in ('CANCELED', 'FAILED')`;
  return result.count === 1;
}
