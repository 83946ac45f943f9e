import type { Sql } from "#shared/db/db.ts";
import type { Degradation } from "#shared/domain/degradation.ts";
import { addressOf, decideAt } from "./dead-address.ts";

interface Row {
  session_id: string;
  id: string;
  /** The event's group, or the task's queue. */
  place: string;
  what: string;
  since_ms: number;
}

/**
 * What is dead of sessions, by their ids: such a session runs with something missing. Its alert says where the event or task
 * is found.
 */
export async function deadOfSessions(sql: Sql): Promise<ReadonlyMap<string, Degradation>> {
  const rows = await sql<Row[]>`
    select key as session_id, id, group_name as place, parked_at_ms as since_ms,
      format('event %s of "%s" for %s (%s)', seq, topic, group_name, error) as what
    from bus.parked where state = 'dead'
    union all
    select session_id, id, queue, created_at_ms, format('task "%s" of %s (%s)', type, queue, error)
    from queue.tasks where state = 'dead' and session_id is not null
    order by since_ms, what`;
  const bySession = Map.groupBy(rows, (row) => row.session_id);
  return new Map(
    [...bySession].flatMap(([sessionId, [first, ...others]]): [string, Degradation][] => {
      if (first === undefined) return [];
      const { id, place, what, since_ms: sinceMs } = first;
      const more = others.length > 0 ? `, and ${others.length} more` : "";
      const decide = decideAt(addressOf(place, id));
      const text = `Nobody tries again what could not be done for it: ${what}${more}. ${decide}`;
      return [[sessionId, { code: "WORK_DEAD", sinceMs, text }]];
    }),
  );
}
