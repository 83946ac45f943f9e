import type { Sql } from "#shared/db/db.ts";
import type { Lag } from "./bus.ts";

/** How far a group is behind in a partition, and since when. */
export interface WaitingEvents extends Lag {
  /** For how long the first event that is not handled yet has been there, by the clock of Postgres; 0: none waits. */
  waitedMs: number;
}

/** How far each group is behind that has ever read, by topic and partition. */
export async function readWaiting(sql: Sql): Promise<WaitingEvents[]> {
  const rows = await sql<WaitingEvents[]>`
    select p.group_name as group, p.topic, p.part as partition, coalesce(q.next_seq - 1, 0) - p.seq as events,
      greatest(0, coalesce(floor(extract(epoch from clock_timestamp() - l.created_at) * 1000), 0))::float8 as "waitedMs"
    from bus.positions p
    left join bus.partitions q using (topic, part)
    left join bus.log l on l.topic = p.topic and l.part = p.part and l.seq = p.seq + 1
    order by 1, 2, 3`;
  return [...rows];
}
