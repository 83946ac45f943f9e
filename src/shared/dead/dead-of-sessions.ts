import type { Sql } from "#shared/db/db.ts";
import type { Degradation } from "#shared/domain/degradation.ts";

interface Row {
  session_id: string;
  what: string;
  since_ms: number;
}

/** What is dead of sessions, by their ids: a session with it runs with something missing. Where it stands, its alert says. */
export async function deadOfSessions(sql: Sql): Promise<ReadonlyMap<string, Degradation>> {
  const rows = await sql<Row[]>`
    select key as session_id, parked_at_ms as since_ms,
      format('event %s of "%s" for %s (%s)', seq, topic, group_name, error) as what
    from bus.parked where state = 'dead'
    union all
    select session_id, created_at_ms, format('task "%s" of %s (%s)', type, queue, error)
    from queue.tasks where state = 'dead' and session_id is not null
    order by since_ms, what`;
  const bySession = Map.groupBy(rows, (row) => row.session_id);
  return new Map(
    [...bySession].map(([id, own]): [string, Degradation] => {
      const more = own.length > 1 ? `, and ${own.length - 1} more` : "";
      const text = `Nobody tries again what could not be done for it: ${own[0]?.what ?? ""}${more}. Redrive or discard it under GET /api/<service>/dead.`;
      return [id, { code: "WORK_DEAD", sinceMs: own[0]?.since_ms ?? 0, text }];
    }),
  );
}
