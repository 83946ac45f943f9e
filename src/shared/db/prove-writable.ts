import type { Db } from "./db.ts";

/**
 * Commits a write that changes nothing: a message in the write-ahead log that nobody reads. A server that is read-only (a
 * standby, `default_transaction_read_only`), or that cannot write any more, answers a ping all the same.
 *
 * @throws AppError DATABASE_UNAVAILABLE (outage)
 */
export async function proveWritable({ urgentSql: sql }: Pick<Db, "urgentSql">): Promise<void> {
  // Where transactions are read-only the update is refused, though it meets no row; the message makes a commit a real one.
  await sql`update reference.accounts set era = era where false`;
  await sql`select pg_logical_emit_message(true, 'r3edge', '')`;
}
