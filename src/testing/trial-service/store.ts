import type { Sql, Tx } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Position } from "#shared/domain/position.ts";

/** A session's newest position. */
export type Note = Pick<Position, "sessionId" | "size">;

/** Writes a session's note, in place of the one before. */
export async function writeNote(tx: Tx, { sessionId, size }: Note): Promise<void> {
  await tx.sql`
    insert into trial.notes (session_id, size) values (${sessionId}, ${size})
    on conflict (session_id) do update set size = excluded.size`;
}

/** Notes in the order of their sessions, after the one given. */
export async function listNotes(sql: Sql, after: string, limit: number): Promise<Note[]> {
  const rows = await sql<Note[]>`
    select session_id as "sessionId", size from trial.notes where session_id > ${after} order by session_id limit ${limit}`;
  return rows.map(({ sessionId, size }) => ({ sessionId, size: normalize(size) }));
}
