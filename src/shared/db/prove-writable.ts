import { AppError, hasCode } from "#shared/errors/app-error.ts";
import type { Db } from "./db.ts";

/** How long a lock is waited for, in milliseconds: below what the server looks for deadlocks after, so that nobody is ended for us. */
const LOCK_WAIT_MS = 900;

/**
 * Commits a write that changes nothing: a message in the write-ahead log that nobody reads, under a lock of the tables that
 * every service writes. A ping does not tell these servers apart: one that is read-only (a standby,
 * `default_transaction_read_only`), one that cannot write any more, and one on which somebody has locked those tables.
 *
 * @throws AppError DATABASE_UNAVAILABLE (outage)
 */
export async function proveWritable(db: Pick<Db, "transaction">): Promise<void> {
  try {
    await db.transaction(
      async ({ sql }) => {
        void sql`select set_config('lock_timeout', ${String(LOCK_WAIT_MS)}, true)`.execute();
        void sql`
          lock table bus.log, bus.positions, leadership.epochs, queue.lanes, queue.tasks, reference.accounts, reference.sessions
          in row exclusive mode`.execute();
        // In a read-only transaction the update is refused, though it meets no row. The message makes the commit a real one.
        void sql`update reference.accounts set era = era where false`.execute();
        await sql`select pg_logical_emit_message(true, 'r3edge', '')`;
      },
      { urgent: true },
    );
  } catch (error) {
    if (!hasCode(error, "DATABASE_UNAVAILABLE") || error.details["code"] !== LOCK_TIMEOUT) throw error;
    const cause = new Error("someone has locked the engine's tables", { cause: error });
    const text = `The database is not available: ${cause.message}.`;
    throw new AppError("DATABASE_UNAVAILABLE", "outage", text, { cause, details: { code: LOCK_TIMEOUT } });
  }
}

/** SQLSTATE of a statement that has waited for a lock for too long. */
const LOCK_TIMEOUT = "55P03";
