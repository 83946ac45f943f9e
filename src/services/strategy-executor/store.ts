import type { Assets } from "#shared/accounting/book.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import { type AssetsJson, assetsSql } from "#shared/db/reference-rows.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { AT_WORK, type Session, type SessionState, sessionSchema } from "#shared/domain/session.ts";
import type { RuntimeSnapshot } from "#shared/strategy/runtime.ts";
import type { Holding } from "./session/holding.ts";

export type Phase = "WARMING" | "READY" | "FAULTED";

/** Where the present run of a session stands. */
export interface RunRow {
  run: number;
  phase: Phase;
  candleN: number;
  /** Number of the newest signal. */
  signals: number;
  runtime: RuntimeSnapshot | null;
  holding: Holding;
}

interface StoredRow {
  run: number;
  phase: Phase;
  candle_n: number;
  signals: number;
  runtime: RuntimeSnapshot | null;
  pending_signal: string | null;
  ended_orders: number[];
  held: string;
}

function runOf(row: StoredRow): RunRow {
  return {
    run: row.run,
    phase: row.phase,
    candleN: row.candle_n,
    signals: row.signals,
    runtime: row.runtime,
    holding: holdingOf(row),
  };
}

function holdingOf(row: Pick<StoredRow, "held" | "pending_signal" | "ended_orders">): Holding {
  return { size: decimal(row.held), pendingSignal: row.pending_signal, endedOrders: row.ended_orders };
}

/** A session with its run. Null: no such session, or it was never started. */
export async function readRun(sql: Sql, sessionId: string): Promise<{ session: Session; row: RunRow } | null> {
  const rows = await sql<(StoredRow & { session: unknown })[]>`
    select r.run, r.phase, r.candle_n, r.signals, r.runtime, r.pending_signal, r.ended_orders, r.held,
      s.session
    from strategy_executor.runs r join reference.sessions s on s.id = r.session_id
    where r.session_id = ${sessionId}`;
  const row = rows[0];
  return row === undefined ? null : { session: sessionSchema.parse(row.session), row: runOf(row) };
}

/** Begins a run where there is no such run yet; what is held, the pending signal and the number of signals go on. */
export async function beginRun(tx: Tx, session: Session, atMs: number): Promise<void> {
  await tx.sql`
    insert into strategy_executor.runs (session_id, partition, run, updated_at_ms)
    values (${session.id}, ${session.partition}, ${session.run}, ${atMs})
    on conflict (session_id) do update set
      run = excluded.run, phase = 'WARMING', fault = null, candle_n = 0, candle_close_at_ms = null, runtime = null,
      updated_at_ms = excluded.updated_at_ms
    where runs.run < excluded.run`;
}

/** Forgets a session that was deleted. */
export async function forgetRun(tx: Tx, sessionId: string): Promise<void> {
  await tx.sql`delete from strategy_executor.runs where session_id = ${sessionId}`;
}

/** From here on the transaction waits for a lock so long at most. Not to be waited for. */
export function limitLockWait({ sql }: Tx, waitMs: number): void {
  void sql`select set_config('lock_timeout', ${String(waitMs)}, true)`.execute();
}

export interface Advance {
  session: Session;
  /** The cursor it moves from. */
  fromN: number;
  candleN: number;
  /** Null: the cursor stays, and so does its time. */
  closeAtMs: number | null;
  runtime: RuntimeSnapshot;
  signals: number;
  /** The signal made now. Null: none; one that is pending stays. */
  signalId: string | null;
  atMs: number;
}

/**
 * Moves the cursor on, with all that the strategy remembers after it, and locks the session. Not to be waited for: it
 * travels with the commit, and where it fails the transaction fails. CONFLICT (transient): the session is not in this state
 * and run any more, or the cursor was not at `fromN`.
 */
export function advanceRun({ sql }: Tx, to: Advance): void {
  const { id, state, run } = to.session;
  void sql`
    select strategy_executor.advance(${id}, ${state}, ${run}, ${to.fromN}, ${to.candleN}, ${to.closeAtMs},
      ${sql.json(to.runtime as never)}, ${to.signals}, ${to.signalId}, ${to.atMs})`.execute();
}

/**
 * Moves the cursors of many runs on, as `advanceRun` does for one. Gives the sessions whose cursors were moved. Left out are
 * those that have changed, and those whose rows someone holds: nobody waits for them.
 */
export async function advanceRuns({ sql }: Tx, all: readonly Advance[]): Promise<ReadonlySet<string>> {
  const rows = all.map(({ session: { id, state, run }, ...to }) => ({ id, state, run, ...to }));
  const moved = await sql<{ id: string }[]>`
    select id from strategy_executor.advance_all(${sql.json(rows as never)}) as id`;
  return new Set(moved.map(({ id }) => id));
}

/** Ends the warm-up of a run. False: it was over, or another run has begun. */
export async function finishWarmUp(
  tx: Tx,
  to: {
    sessionId: string;
    run: number;
    candleN: number;
    closeAtMs: number | null;
    runtime: RuntimeSnapshot;
    atMs: number;
  },
): Promise<boolean> {
  const result = await tx.sql`
    update strategy_executor.runs set
      phase = 'READY', candle_n = ${to.candleN}, candle_close_at_ms = ${to.closeAtMs},
      runtime = ${tx.sql.json(to.runtime as never)}, updated_at_ms = ${to.atMs}
    where session_id = ${to.sessionId} and run = ${to.run} and phase = 'WARMING'`;
  return result.count === 1;
}

/** Marks a run as faulted. False: it was, or another run has begun. */
export async function faultRun(
  tx: Tx,
  to: { sessionId: string; run: number; reason: string; atMs: number },
): Promise<boolean> {
  const result = await tx.sql`
    update strategy_executor.runs set phase = 'FAULTED', fault = ${to.reason}, updated_at_ms = ${to.atMs}
    where session_id = ${to.sessionId} and run = ${to.run} and phase <> 'FAULTED'`;
  return result.count === 1;
}

/**
 * Locks the holdings of sessions, by session id, and reads what instruments trade, by their ids. Left out are sessions that were
 * never started and instruments that are not known yet.
 */
export async function lockHoldings(
  { sql }: Tx,
  sessionIds: readonly string[],
  instrumentIds: readonly string[],
): Promise<{ held: Map<string, Holding>; assets: ReadonlyMap<string, Assets> }> {
  type Row = Pick<StoredRow, "held" | "pending_signal" | "ended_orders"> & { session_id: string };
  // The assets stand in each row: a statement of their own would cost more than they are long.
  const rows = await sql<(Row & { assets: AssetsJson })[]>`
    select session_id, held, pending_signal, ended_orders, ${assetsSql(sql, instrumentIds)} as assets
    from strategy_executor.runs
    where session_id = any(${[...sessionIds]}::text[]) order by session_id for update`;
  const held = new Map(rows.map((row) => [row.session_id, holdingOf(row)]));
  return { held, assets: new Map(Object.entries(rows[0]?.assets ?? {})) };
}

/** Writes holdings that are locked, by session id. Not to be waited for: it travels with the commit. */
export function writeHoldings({ sql }: Tx, holdings: ReadonlyMap<string, Holding>): void {
  const all = [...holdings.values()];
  void sql`
    update strategy_executor.runs r
    set held = h.held, pending_signal = h.pending_signal, ended_orders = h.ended_orders::integer[]
    from unnest(
      ${[...holdings.keys()]}::text[], ${all.map(({ size }) => plain(size))}::numeric[],
      ${all.map(({ pendingSignal }) => pendingSignal)}::text[],
      ${all.map(({ endedOrders }) => `{${endedOrders.join(",")}}`)}::text[]
    ) as h (session_id, held, pending_signal, ended_orders)
    where r.session_id = h.session_id`.execute();
}

export interface ShardRow {
  role: string;
  epoch: number;
  led: boolean;
}

/** Who leads the shards, by the rows that decide it. */
export async function readShards(sql: Sql, rolePrefix: string): Promise<ShardRow[]> {
  return await sql<ShardRow[]>`
    select e.role, e.epoch, coalesce(l.lease_until > now(), false) as led
    from leadership.epochs e left join leadership.leases l using (role)
    where starts_with(e.role, ${rolePrefix})`;
}

export interface RunListing {
  sessionId: string;
  partition: number;
  run: number;
  phase: Phase;
  state: SessionState;
  candleN: number;
  busy: boolean;
  strategy: string;
  strategyVersion: string;
}

/** The runs of the sessions at work. */
export async function listRuns(sql: Sql): Promise<RunListing[]> {
  return await sql<RunListing[]>`
    select r.session_id as "sessionId", r.partition, r.run, r.phase, s.state, r.candle_n as "candleN",
      r.pending_signal is not null as busy, s.session ->> 'strategy' as strategy,
      s.session ->> 'strategyVersion' as "strategyVersion"
    from strategy_executor.runs r join reference.sessions s on s.id = r.session_id
    where s.state = any(${[...AT_WORK]}) order by r.session_id`;
}
