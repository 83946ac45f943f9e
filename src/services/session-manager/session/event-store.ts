import type { SessionEvent } from "#services/session-manager/contract.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import type { SessionChange } from "./session-event.ts";

/** Who made a change, and at whose word: what a person asked for, or the type of a service's report. */
export interface Origin {
  by: string;
  cause: string;
}

/** Writes one event of a session, in the transaction of the change that it tells of. */
export async function writeEvent(
  { sql }: Tx,
  { id, version, run, state, updatedAtMs }: Session,
  { kind, reason, what, by, cause }: SessionChange & Origin,
): Promise<void> {
  await sql`
    insert into session_manager.events (session_id, version, run, kind, state, reason, what, by, cause, at_ms)
    values (${id}, ${version}, ${run}, ${kind}, ${state}, ${reason}, ${what}::text[], ${by}, ${cause}, ${updatedAtMs})`;
}

/** The events of a session, oldest first, after a version. */
export async function readEvents(
  sql: Sql,
  { sessionId, afterVersion, limit }: { sessionId: string; afterVersion: number; limit: number },
): Promise<SessionEvent[]> {
  return sql<SessionEvent[]>`
    select version, run, kind, state, reason, what, by, cause, at_ms as "atMs" from session_manager.events
    where session_id = ${sessionId} and version > ${afterVersion} order by version limit ${limit}`;
}

/** Removes the events of before a time. */
export async function removeEvents(sql: Sql, beforeMs: number): Promise<void> {
  await sql`delete from session_manager.events where at_ms < ${beforeMs}`;
}
