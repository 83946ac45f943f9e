import type { Clock } from "#shared/clock/clock.ts";
import { type AppError, hasCode } from "#shared/errors/app-error.ts";
import type { Db, Tx } from "./db.ts";

export interface WithinOptions {
  db: Db;
  clock: Clock;
  /** How long the body may take, from its begin. */
  deadlineMs: number;
  /** What is thrown past it: DEADLINE_PASSED. */
  overdue: () => AppError;
}

/**
 * Runs a body in a transaction for as long as it may take. Past that the transaction is rolled back, later statements of the
 * body are refused, and `overdue` is thrown. Where the server has ended the transaction before, the body's end is waited for
 * all the same: it never runs twice at once.
 */
export async function transactWithin<T>(options: WithinOptions, body: (tx: Tx) => Promise<T>): Promise<T> {
  const { db, clock, deadlineMs, overdue } = options;
  let late: AppError | null = null;
  const passed = Promise.withResolvers<void>();
  let handled: Promise<void> = Promise.resolve();
  const run = (tx: Tx): Promise<T> => {
    const callOff = clock.after(deadlineMs, () => {
      late = overdue();
      tx.takeBack(late);
      passed.resolve();
    });
    const result = body(tx);
    handled = result.then(callOff, callOff);
    return result;
  };
  try {
    return await db.transaction(run);
  } catch (error) {
    await Promise.race([handled, passed.promise]);
    throw late ?? error;
  }
}

/** Tries of what does not end in time: each one costs whoever works it the whole deadline. */
export const OVERDUE_TRIES = 3;

/** Whether something has not ended in time. */
export function isOverdue(error: unknown): boolean {
  return hasCode(error, "DEADLINE_PASSED");
}
