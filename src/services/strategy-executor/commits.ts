import type { OwnedUnit } from "#shared/bus/bus.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { storable } from "#shared/errors/storable-text.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { event, SESSION_REPORTS, SIGNALS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import type { RuntimeSnapshot } from "#shared/strategy/runtime.ts";
import { advanceRun, faultRun, finishWarmUp } from "./store.ts";

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
 * Snapshot, cursor, signal and risk task in one transaction, fenced by the shard's epoch and with the session locked: one
 * round trip, since no statement needs another's answer. Throws CONFLICT (transient) where the session's state or its row is
 * not what the candles were worked with: nothing is written then, and the row has to be read again.
 */
export async function commitProgress(deps: Deps, unit: OwnedUnit, progress: Progress): Promise<void> {
  const { session, signal, fromN, candleN, closeAtMs, runtime, signals } = progress;
  const atMs = deps.clock.nowMs();
  await deps.db.transaction((tx) => {
    void deps.leader.fence(tx, unit.role, unit.epoch);
    advanceRun(tx, { session, fromN, candleN, closeAtMs, runtime, signals, signalId: signal?.id ?? null, atMs });
    if (signal !== null) {
      void deps.queue.enqueue(tx, { task: DECIDE_SIGNAL, lane: session.id, payload: { signal }, priority: 5 });
      deps.bus.publish(tx, [event(SIGNALS, session.id, "signal.created", signal)]);
    }
    deps.failpoints.hit("executor.transaction-open", { bar: progress.bar, sessionId: session.id });
    return Promise.resolve();
  });
}

/** The end of a warm-up, and the report of it. */
export async function commitWarmUp(
  deps: Deps,
  unit: OwnedUnit,
  done: { session: Session; candleN: number; closeAtMs: number | null; runtime: RuntimeSnapshot },
): Promise<void> {
  const { session, candleN, closeAtMs, runtime } = done;
  const atMs = deps.clock.nowMs();
  const to = { sessionId: session.id, run: session.run, candleN, closeAtMs, runtime, atMs };
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    if (!(await finishWarmUp(tx, to))) return;
    const report = { sessionId: session.id, run: session.run, atMs, candleN };
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.warm", report)]);
  });
}

/** Why a session's warm-up is not done yet. */
export async function commitWaiting(
  deps: Deps,
  unit: OwnedUnit,
  { session, reason: said }: { session: Session; reason: string },
): Promise<void> {
  const reason = storable(said);
  const report = { sessionId: session.id, run: session.run, atMs: deps.clock.nowMs(), until: "warm" as const, reason };
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.waiting", report)]);
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
    const report = { sessionId: session.id, run: session.run, atMs, reason };
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.faulted", report)]);
  });
}
