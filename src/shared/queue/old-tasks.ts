import type { Db } from "#shared/db/db.ts";

/** Rows of one statement at most, so that no lock and no transaction lasts. */
const BATCH = 1_000;

/**
 * Deletes tasks that were done longer than `ageMs` ago by the database's clock; gives the rows of each batch. Open tasks
 * stay however old they are. Lanes stay too: a lane's epoch must not begin anew while a worker of an earlier one may wake up.
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
        delete from queue.tasks t using old where t.id = old.id returning 1
      )
      select count(*)::integer as rows from deleted`;
    rows = batch?.rows ?? 0;
    if (rows > 0) yield rows;
  }
}
