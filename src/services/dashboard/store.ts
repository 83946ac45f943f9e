import type { Sql } from "#shared/db/db.ts";
import { AT_WORK } from "#shared/domain/session.ts";
import { type SessionLine, sessionLineSchema } from "./session-line.ts";

/** Sessions that are not deleted: what is at work or FAULTED first, then by their latest change. A row that cannot be read is left out. */
export async function listSessions(sql: Sql, limit: number): Promise<SessionLine[]> {
  const rows = await sql<{ session: unknown }[]>`
    select session from reference.sessions where state <> 'DELETED'
    order by state = any(${[...AT_WORK, "FAULTED"]}) desc, updated_at_ms desc, id limit ${limit}`;
  return rows.flatMap(({ session }) => {
    const read = sessionLineSchema.safeParse(session);
    return read.success ? [read.data] : [];
  });
}
