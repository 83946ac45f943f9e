import type { Logger } from "pino";
import type { Db } from "#shared/db/db.ts";

/** Rows of one statement at most, so that no lock and no transaction lasts. */
const BATCH = 1_000;

/**
 * Deletes events of the log that are older than `ageMs` by the database's clock, oldest first, and none above the slowest
 * group's position; gives the rows of each batch. A group that is not registered yet begins with what is kept. A group that
 * holds events back beyond that age is named in the log: as long as it stays behind, the log grows.
 */
export async function* deleteOldEvents({ sql }: Pick<Db, "sql">, log: Logger, ageMs: number): AsyncGenerator<number> {
  const streams = await sql<{ topic: string; part: number }[]>`
    select topic, part from bus.partitions order by topic, part`;
  for (const { topic, part } of streams) {
    for (let rows = BATCH; rows === BATCH; ) {
      // The oldest by number are the oldest by time: both grow under the partition's lock.
      const [batch] = await sql<{ rows: number }[]>`
        with oldest as (
          select seq, created_at from bus.log
          where topic = ${topic} and part = ${part} and seq <= coalesce(
            (select min(seq) from bus.positions where topic = ${topic} and part = ${part}), ${Number.MAX_SAFE_INTEGER})
          order by seq limit ${BATCH}
        ), deleted as (
          delete from bus.log l using oldest
          where l.topic = ${topic} and l.part = ${part} and l.seq = oldest.seq
            and oldest.created_at < clock_timestamp() - ${ageMs}::float8 * interval '1 ms'
          returning 1
        )
        select count(*)::integer as rows from deleted`;
      rows = batch?.rows ?? 0;
      if (rows > 0) yield rows;
    }
  }
  const held = await sql<{ group: string; topic: string }[]>`
    select distinct p.group_name as "group", p.topic from bus.positions p
    cross join lateral (
      select created_at from bus.log l where l.topic = p.topic and l.part = p.part and l.seq > p.seq order by l.seq limit 1
    ) next
    where next.created_at < clock_timestamp() - ${ageMs}::float8 * interval '1 ms'`;
  for (const fields of held)
    log.error({ ...fields, ageMs }, "A group is behind by more than events are kept; the log grows");
}
