import type { Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { KillDeps } from "./kill.ts";

/**
 * How often it is tried. A statement waits for the table for 4 s, and the server ends whoever holds it within 15 s, however it came to
 * stand still.
 */
const TRIES = 4;

/**
 * Runs a transaction of the kill switch before all that wait for a connection, and once more where the database asks for that, as
 * where somebody holds the table for too long.
 *
 * @throws AppError DATABASE_UNAVAILABLE where that does not help either
 */
export async function urgently<T>({ db, log }: Pick<KillDeps, "db" | "log">, body: (tx: Tx) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await db.transaction(body, { urgent: true });
    } catch (error) {
      if (tries === TRIES || !asksAgain(error)) throw error;
      log.warn({ tries, reason: error.message }, "the kill switch waits for the database, and tries again");
    }
  }
}

function asksAgain(error: unknown): error is AppError {
  return error instanceof AppError && error.code === "DATABASE_UNAVAILABLE" && error.kind === "transient";
}
