import type { Sql } from "#shared/db/db.ts";
import type { TaskType } from "./queue.ts";

/** A task that is not done, by its lane. */
export interface WaitingTask {
  lane: string;
  /** For how long it has been there, by the clock of Postgres. */
  waitedMs: number;
}

/** The open tasks of a type that are older than this, the oldest first. */
export async function readWaitingTasks(
  sql: Sql,
  { queue, type }: Pick<TaskType, "queue" | "type">,
  { olderThanMs, limit }: { olderThanMs: number; limit: number },
): Promise<WaitingTask[]> {
  const rows = await sql<WaitingTask[]>`
    select lane, (queue.epoch_ms(clock_timestamp()) - created_at_ms)::float8 as "waitedMs" from queue.tasks
    where queue = ${queue} and type = ${type} and state = 'open'
      and created_at_ms < queue.epoch_ms(clock_timestamp()) - ${olderThanMs}::bigint
    order by created_at_ms, id limit ${limit}`;
  return [...rows];
}
