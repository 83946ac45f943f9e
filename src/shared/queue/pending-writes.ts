import type { Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { type EndOfTasks, finishTasks, insertTasks, type NewTaskRow } from "./lane-rows.ts";

/** What a transaction is going to write of the queue: in one statement, behind all that its body sends. */
interface Pending {
  tasks: NewTaskRow[];
  graceMs: number;
  end: EndOfTasks | undefined;
  /** What the end comes to. */
  more: PromiseWithResolvers<boolean>;
  isOver: boolean;
}

const PENDING = Symbol("queue: what this transaction is going to write");

function ignore(): void {
  // The transaction fails with it.
}

function pendingOf(tx: Tx): Pending {
  const known = tx.scope.get(PENDING) as Pending | undefined;
  if (known !== undefined) return known;
  const more = Promise.withResolvers<boolean>();
  more.promise.catch(ignore);
  const pending: Pending = { tasks: [], graceMs: 0, end: undefined, more, isOver: false };
  tx.scope.set(PENDING, pending);
  // Not waited for: it travels with the commit. The bus appends behind it, so that lanes are locked before partitions.
  tx.beforeCommit(PENDING, () => {
    pending.isOver = true;
    const { end } = pending;
    if (end === undefined) writePending(tx);
    else more.resolve(finishTasks(tx, end, pending));
    return Promise.resolve();
  });
  return pending;
}

/** Has a task written when the body of the transaction is done. `graceMs`: how long its wake-up may take. */
export function addTask(tx: Tx, task: NewTaskRow, graceMs: number): void {
  const pending = pendingOf(tx);
  if (pending.isOver) {
    throw new AppError("INTERNAL", "permanent", "A task was enqueued after the transaction had written its own.");
  }
  pending.tasks.push(task);
  pending.graceMs = graceMs;
}

/** Writes the tasks that were added so far, so that the transaction's next statements see them. */
export function writePending(tx: Tx): void {
  const pending = tx.scope.get(PENDING) as Pending | undefined;
  if (pending === undefined || pending.tasks.length === 0) return;
  insertTasks(tx, { tasks: pending.tasks.splice(0), graceMs: pending.graceMs }).catch(ignore);
}

/**
 * Ends tasks of a lane that the transaction has locked, when its body is done; once in a transaction. Resolves as `finishTasks`
 * does, and is to be awaited only when the transaction has committed.
 */
export function endTasks(tx: Tx, end: EndOfTasks): Promise<boolean> {
  const pending = pendingOf(tx);
  pending.end = end;
  return pending.more.promise;
}
