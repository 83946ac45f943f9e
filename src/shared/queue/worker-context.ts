import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { LeaseKeeper } from "#shared/leader/lease-keeper.ts";
import { finishTasks, holdLane, type LaneName, type LeasedName, type TaskRow } from "./lane-rows.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** What both kinds of workers are made from. */
export interface WorkerContext {
  db: Db;
  clock: Clock;
  log: Logger;
  leaseMs: number;
  owner: string;
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

/**
 * A task whose handler threw stays open and is put off; each time longer. True: the lane has other tasks that may be done
 * at once. False: it has none, or is someone else's by now.
 */
export async function putOff(context: WorkerContext, at: LaneName, failed: FailedTask): Promise<boolean> {
  const { row, attempts, epoch, error } = failed;
  const delayMs = retryDelayMs(error, attempts);
  const more = await context.db.transaction(async (tx) => {
    if (!(await holdLane(tx, at, epoch))) return undefined;
    return finishTasks(tx, at, [], [{ id: row.id, attempts, delayMs, error: messageOf(error) }]);
  });
  context.log.warn(
    { ...at, taskId: row.id, type: row.type, attempts, delayMs, err: error },
    "A task failed; it is retried",
  );
  if (more !== undefined) context.wakeLater(at, delayMs, row.priority);
  return more === true;
}
