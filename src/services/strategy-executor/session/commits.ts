import {
  type Advance,
  advanceRun,
  advanceRuns,
  faultRun,
  finishWarmUp,
  limitLockWait,
} from "#services/strategy-executor/store.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { storable } from "#shared/errors/storable-text.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { event, SESSION_REPORTS, SIGNALS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { reportFaulted } from "#shared/session-health/report-faulted.ts";
import { reportWaiting } from "#shared/session-health/report-waiting.ts";
import type { RuntimeSnapshot } from "#shared/strategy/runtime.ts";

/** What one or more candles have come to. */
export interface Progress {
  session: Session;
  /** The cursor before and after; the same for a forming candle. */
  fromN: number;
  candleN: number;
  closeAtMs: number | null;
  /** Number of the newest candle shown. */
  bar: number;
  runtime: RuntimeSnapshot;
  signals: number;
  signal: Signal | null;
}

/**
 * Writes snapshot, cursor, signal and risk task in one transaction, fenced by the shard's epoch and with the session locked.
 * One round trip: no statement needs another's answer. CONFLICT (transient): the session or its run has changed since the
 * candles were worked. Nothing is written then, and the row has to be read again.
 */
export async function commitProgress(deps: Deps, unit: OwnedUnit, progress: Progress): Promise<void> {
  const write = (tx: Tx): Promise<void> => {
    void deps.leader.fence(tx, unit.role, unit.epoch);
    advanceRun(tx, advanceOf(deps, progress));
    publishSignal(deps, tx, progress);
    return Promise.resolve();
  };
  await deps.db.transaction(write, { urgent: true });
}

/** How long many together wait for a lock that one of them needs, in milliseconds: alone it holds up nobody. */
const LOCK_WAIT_MS = 200;

/**
 * The same for many sessions in one transaction; each writes what it would alone. Gives those that went along. Of the others
 * nothing is written: they have changed meanwhile, or someone holds their rows.
 *
 * @throws AppError FENCED: one of the shards is not led any more. DATABASE_UNAVAILABLE (transient): someone holds a lane.
 * Nothing is written of any session then.
 */
export async function commitTogether<One extends { unit: OwnedUnit; progress: Progress }>(
  deps: Deps,
  group: readonly One[],
): Promise<ReadonlySet<One>> {
  // A role may have been lost and taken again meanwhile: each epoch is asked about.
  const units = new Map(group.map(({ unit }) => [`${unit.role} ${unit.epoch}`, unit]));
  const bySession = new Map(group.map((one) => [one.progress.session.id, one]));
  const advances = [...bySession.values()].map(({ progress }) => advanceOf(deps, progress));
  const write = async (tx: Tx): Promise<ReadonlySet<One>> => {
    limitLockWait(tx, LOCK_WAIT_MS);
    for (const { role, epoch } of [...units.values()].sort((a, b) => (a.role < b.role ? -1 : 1))) {
      void deps.leader.fence(tx, role, epoch);
    }
    const moved = await advanceRuns(tx, advances);
    const along = new Set([...bySession.values()].filter(({ progress }) => moved.has(progress.session.id)));
    for (const { progress } of along) publishSignal(deps, tx, progress);
    return along;
  };
  return deps.db.transaction(write, { urgent: true });
}

function advanceOf(deps: Deps, progress: Progress): Advance {
  const { session, fromN, candleN, closeAtMs, runtime, signals, signal } = progress;
  const atMs = deps.clock.nowMs();
  return { session, fromN, candleN, closeAtMs, runtime, signals, signalId: signal?.id ?? null, atMs };
}

function publishSignal(deps: Deps, tx: Tx, { session, signal, bar }: Progress): void {
  if (signal !== null) {
    void deps.queue.enqueue(tx, { task: DECIDE_SIGNAL, lane: session.id, payload: { signal }, priority: 5 });
    deps.bus.publish(tx, [event(SIGNALS, session.id, "signal.created", signal)]);
  }
  deps.failpoints.hit("executor.transaction-open", { bar, sessionId: session.id });
}

/** The end of a warm-up, and the report of it. False: it was over, or another run has begun. */
export async function commitWarmUp(
  deps: Deps,
  unit: OwnedUnit,
  done: { session: Session; candleN: number; closeAtMs: number | null; runtime: RuntimeSnapshot },
): Promise<boolean> {
  const { session, candleN, closeAtMs, runtime } = done;
  const atMs = deps.clock.nowMs();
  const to = { sessionId: session.id, run: session.run, candleN, closeAtMs, runtime, atMs };
  return deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    if (!(await finishWarmUp(tx, to))) return false;
    const report = { sessionId: session.id, run: session.run, atMs, candleN };
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.warm", report)]);
    return true;
  });
}

/** Why a session's warm-up is not done yet. */
export async function commitWaiting(
  deps: Deps,
  unit: OwnedUnit,
  { session, reason: said }: { session: Session; reason: string },
): Promise<void> {
  const told = { session, until: "warm", reason: storable(said), atMs: deps.clock.nowMs() } as const;
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    reportWaiting(tx, deps.bus, told);
  });
}

/** A strategy's failure, and the report of it. Its other sessions go on. */
export async function commitFault(
  deps: Deps,
  unit: OwnedUnit,
  fault: { session: Session; reason: string },
): Promise<void> {
  const { session } = fault;
  const reason = storable(fault.reason);
  const atMs = deps.clock.nowMs();
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    if (!(await faultRun(tx, { sessionId: session.id, run: session.run, reason, atMs }))) return;
    reportFaulted(tx, deps.bus, { session, reason, atMs });
  });
}
