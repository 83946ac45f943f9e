import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { isOverdue, OVERDUE_TRIES, transactWithin } from "#shared/db/transact-within.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import { verdictOf } from "#shared/errors/verdict.ts";
import type { LeaseKeeper } from "#shared/leader/lease-keeper.ts";
import { finishTasks, holdLane, isOpenTask, type LaneName, type LeasedName, type TaskRow } from "./lane-rows.ts";
import type { DeadTask, TaskType, WorkerOptions } from "./queue.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** What both kinds of workers are made from. */
export interface WorkerContext {
  db: Db;
  clock: Clock;
  log: Logger;
  leaseMs: number;
  owner: string;
  /** A task that has failed so often in a row is dead. */
  deadAfterTries: number;
  /** How long a handler's transaction may take, in milliseconds. */
  deadlineMs: number;
  /** Called in the transaction that a task dies in, last. */
  onDead: ((tx: Tx, dead: DeadTask) => Promise<void>) | undefined;
  keeper: LeaseKeeper<LeasedName>;
  /** Wakes the lane so many milliseconds from now; the sweeper does it too, less exactly. */
  wakeLater(at: LaneName, delayMs: number, priority: number): void;
}

export interface FailedTask {
  row: TaskRow;
  /** This attempt included. */
  attempts: number;
  /** Under which the lane is held; null: it is not. */
  epoch: number | null;
  error: unknown;
}

/** What a handler that has not ended in time throws. */
export function overdue({ queue, lane }: LaneName, deadlineMs: number): AppError {
  const message = `A handler of "${queue}" has not ended within ${deadlineMs} ms.`;
  return new AppError("DEADLINE_PASSED", "transient", message, { details: { queue, lane } });
}

/** Runs what a handler does in a transaction, for as long as it may take. */
export function transact<T>(context: WorkerContext, at: LaneName, body: (tx: Tx) => Promise<T>): Promise<T> {
  const { db, clock, deadlineMs } = context;
  return transactWithin({ db, clock, deadlineMs, overdue: () => overdue(at, deadlineMs) }, body);
}

/**
 * Reads what the lane's first task needs. To be called right after the lane's lock was sent. Its failure shows where it is
 * awaited: by then it is known which task it is of.
 */
export function readAhead({ ahead }: Pick<WorkerOptions, "ahead">, tx: Tx, lane: string): Promise<unknown> {
  const reading = ahead === undefined ? Promise.resolve(undefined) : ahead(tx, lane);
  reading.catch(() => undefined);
  return reading;
}

/** By the contract of its type; of a type that is not known here a task holds its lane. */
function contractOf(types: readonly TaskType[], row: TaskRow): { holds: boolean; sessionId: string | null } {
  const type = types.find((one) => one.type === row.type);
  const payload = type?.payload.safeParse(row.payload);
  const sessionId = payload?.success === true ? (type?.sessionOf?.(payload.data) ?? null) : null;
  return { holds: type?.onDead !== "skip", sessionId };
}

/**
 * Notes that a task's handler threw. The task stays open and is put off, each time for longer. After so many failures it is
 * dead, at once where trying again cannot help. Not counted: an outage, and a task that is done though its commit's answer
 * was lost. True: the lane has other tasks that may be done at once. False: it has none, or is someone else's by now.
 */
export async function putOff(
  context: WorkerContext,
  types: readonly TaskType[],
  at: LaneName,
  failed: FailedTask,
): Promise<boolean> {
  const { row, attempts, epoch, error: thrown } = failed;
  const verdict = verdictOf(thrown);
  const failures = row.failures + (verdict === "unit" ? 0 : 1);
  const { deadAfterTries } = context;
  const mostFailures = isOverdue(thrown) ? Math.min(OVERDUE_TRIES, deadAfterTries) : deadAfterTries;
  const isDead = verdict === "dead" || failures >= mostFailures;
  const delayMs = retryDelayMs(thrown, verdict === "unit" ? attempts : failures, Math.random());
  const { holds, sessionId } = contractOf(types, row);
  const error = storableText(thrown);
  const left = await context.db.transaction(async (tx) => {
    if (!(await holdLane(tx, at, epoch))) return { isOpen: false, more: false };
    const isOpen = await isOpenTask(tx, row.id);
    const state = isDead ? "dead" : "open";
    const later = { id: row.id, attempts, failures, delayMs, error, state, holds, sessionId } as const;
    const more = await finishTasks(tx, { at, done: [], later: isOpen ? [later] : [] }, { tasks: [], graceMs: 0 });
    if (isOpen && isDead) {
      const { id, type, seq } = row;
      await context.onDead?.(tx, { ...at, id, type, seq, error, holds, sessionId });
    }
    return { isOpen, more };
  });
  if (!left.isOpen) return left.more;
  const fields = { ...at, taskId: row.id, type: row.type, attempts, failures, err: thrown };
  if (isDead) context.log.error(fields, "A task is dead; a person has to redrive or discard it");
  else {
    context.log.warn({ ...fields, delayMs }, "A task failed; it is retried");
    context.wakeLater(at, delayMs, row.priority);
  }
  return left.more;
}
