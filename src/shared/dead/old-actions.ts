import type { Db } from "#shared/db/db.ts";

/** Rows of one statement at most, so that no lock and no transaction lasts. */
const BATCH = 1_000;

/**
 * Deletes what persons decided longer than `ageMs` ago, by the database's clock, about events and tasks that are over.
 * Decisions about what is parked or not done yet stay, however old. Gives the rows of each batch.
 */
export async function* deleteOldActions({ sql }: Pick<Db, "sql">, ageMs: number): AsyncGenerator<number> {
  for (let rows = BATCH; rows === BATCH; ) {
    const [batch] = await sql<{ rows: number }[]>`
      with old as (
        select id from dead.actions a
        where at_ms < queue.epoch_ms(clock_timestamp()) - ${ageMs}::bigint
          and not exists (select from bus.parked p where p.id = a.dead_id)
          and not exists (select from queue.tasks t where t.id = a.dead_id and t.state <> 'done')
        order by at_ms limit ${BATCH}
      ), deleted as (
        delete from dead.actions a using old where a.id = old.id returning 1
      )
      select count(*)::integer as rows from deleted`;
    rows = batch?.rows ?? 0;
    if (rows > 0) yield rows;
  }
}
