import type { Sql } from "#shared/db/db.ts";
import type { TaskType } from "./queue.ts";

/** A lane with a task that is not done. */
export interface WaitingLane {
  lane: string;
  /** For how long the oldest one has been there, by the clock of Postgres. */
  waitedMs: number;
}

/** The lanes with open tasks of these types, of one queue, that are older than this: by their names, behind `after` (empty: from the first). */
export async function readWaitingLanes(
  sql: Sql,
  types: readonly [Pick<TaskType, "queue" | "type">, ...Pick<TaskType, "type">[]],
  { olderThanMs, after, limit }: { olderThanMs: number; after: string; limit: number },
): Promise<WaitingLane[]> {
  const rows = await sql<WaitingLane[]>`
    select lane, max(queue.epoch_ms(clock_timestamp()) - created_at_ms)::float8 as "waitedMs" from queue.tasks
    where queue = ${types[0].queue} and type = any(${types.map(({ type }) => type)}::text[]) and state = 'open'
      and lane > ${after} and created_at_ms < queue.epoch_ms(clock_timestamp()) - ${olderThanMs}::bigint
    group by lane order by lane limit ${limit}`;
  return [...rows];
}
