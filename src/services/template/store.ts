import type { Sql, Tx } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Note } from "./messages.ts";

/** Writes a session's note, in place of the one before. */
export async function writeNote(tx: Tx, { sessionId, instrumentId, size }: Note): Promise<void> {
  await tx.sql`
    insert into template.notes (session_id, instrument_id, size) values (${sessionId}, ${instrumentId}, ${size})
    on conflict (session_id) do update set instrument_id = excluded.instrument_id, size = excluded.size`;
}

/** Notes in the order of their sessions, after the one given. */
export async function listNotes(sql: Sql, after: string, limit: number): Promise<Note[]> {
  const rows = await sql<Note[]>`
    select session_id as "sessionId", instrument_id as "instrumentId", size from template.notes
    where session_id > ${after} order by session_id limit ${limit}`;
  return rows.map((row) => ({ ...row, size: normalize(row.size) }));
}
