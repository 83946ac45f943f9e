import type { Tx } from "#shared/db/db.ts";
import type { DoneTask, LaneName, LaterTask } from "./lane-rows.ts";
import { endTasks } from "./pending-writes.ts";
import type { LaneTx, Task } from "./queue.ts";

/** What a step decided about tasks. Read after its transaction has committed. */
export interface StepResult<T> {
  value: T;
  done: DoneTask[];
  later: LaterTask[];
  /** Whether the lane has more to do; undefined: the step ended no task and the lane stays as it is. */
  more: Promise<boolean> | undefined;
}

function laneTx(tx: Tx, done: DoneTask[], later: LaterTask[]): LaneTx {
  return {
    sql: tx.sql,
    scope: tx.scope,
    beforeCommit: (key, run) => tx.beforeCommit(key, run),
    afterCommit: (run) => tx.afterCommit(run),
    takeBack: (reason) => tx.takeBack(reason),
    complete: ({ id, attempts }, outcome) => void done.push({ id, attempts, outcome }),
    retryIn: ({ id, attempts }: Task, delayMs) =>
      void later.push({ id, attempts, delayMs, failures: 0, state: "open", holds: false, sessionId: null }),
  };
}

/** Runs a step's body in a transaction that has locked the lane, and has the tasks that it settled ended with it. */
export async function runStep<T>(tx: Tx, at: LaneName, body: (tx: LaneTx) => Promise<T>): Promise<StepResult<T>> {
  const done: DoneTask[] = [];
  const later: LaterTask[] = [];
  const value = await body(laneTx(tx, done, later));
  const more = done.length === 0 && later.length === 0 ? undefined : endTasks(tx, { at, done, later });
  return { value, done, later, more };
}
