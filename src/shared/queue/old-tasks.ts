import type { Db } from "#shared/db/db.ts";

/** Rows of one statement at most, so that no lock and no transaction lasts. */
const BATCH = 1_000;

/**
 * Deletes tasks that were done longer than `ageMs` ago by the database's clock. A lane goes with its newest task, unless
 * something is open in it or somebody holds it. Open and dead tasks stay, however old they are. Gives how many tasks each
 * batch had.
 *
 * A lane that is made again numbers its tasks from 1. Its epoch is above all earlier ones, so that an earlier worker stays
 * fenced.
 */
export async function* deleteOldTasks({ sql }: Pick<Db, "sql">, ageMs: number): AsyncGenerator<number> {
  for (let rows = BATCH; rows === BATCH; ) {
    // Ids begin with the time (UUIDv7), so that the primary key bounds the search: a task is never done before it is made.
    const [batch] = await sql<{ rows: number }[]>`
      with cut as materialized (
        select queue.epoch_ms(clock_timestamp()) - ${ageMs}::bigint as at_ms
      ), old as (
        select id from queue.tasks
        where id < (select rpad(lpad(to_hex(at_ms), 12, '0'), 32, '0')::uuid from cut)
          and state = 'done' and done_at_ms < (select at_ms from cut)
        order by id limit ${BATCH}
      ), deleted as (
        delete from queue.tasks t using old where t.id = old.id returning t.queue, t.lane, t.seq
      ), newest as (
        select queue, lane, max(seq) as seq from deleted group by queue, lane
      ), empty as (
        -- A lane that has come into use meanwhile is locked, or its row, read anew under the lock, says another number.
        select l.queue, l.lane from queue.lanes l join newest n using (queue, lane)
        where l.next_seq = n.seq + 1 and l.owner is null and l.wake_at is null and not exists (
          select from queue.tasks t where t.queue = l.queue and t.lane = l.lane and t.state <> 'done')
        for update of l skip locked
      ), gone as (
        delete from queue.lanes l using empty where l.queue = empty.queue and l.lane = empty.lane
      )
      select count(*)::integer as rows from deleted`;
    rows = batch?.rows ?? 0;
    if (rows > 0) yield rows;
  }
}
