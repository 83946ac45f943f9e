import type { Db, Sql } from "#shared/db/db.ts";
import type { LaneHead, ParkedEntry, ParkedEvent, Parking } from "./parking.ts";

interface EventRow extends Omit<ParkedEvent, "raw"> {
  raw: Uint8Array;
}

const hex = (text: string): string => Buffer.from(text).toString("hex");
const eventOf = (row: EventRow): ParkedEvent => ({ ...row, raw: Buffer.from(row.raw).toString() });

const columns = (sql: Sql) => sql`
  id, group_name as "group", topic, part as partition, seq, key, state, tries, error, raw, parked_at_ms as "parkedAtMs"`;

/** The parking in the table `bus.parked`. */
export function createPostgresParking(db: Db): Parking {
  return {
    async park(tx, { group, part }, entries) {
      const of = <Value>(read: (entry: (typeof entries)[number]) => Value) => entries.map(read);
      await tx.sql`
        insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, error, raw, next_try_at)
        select id, ${group}, topic, ${part}, seq, key, state, tries, error, decode(raw, 'hex'),
          clock_timestamp() + delay_ms * interval '1 ms'
        from unnest(
          ${of(() => Bun.randomUUIDv7())}::uuid[], ${of(({ topic }) => topic)}::text[], ${of(({ seq }) => seq)}::bigint[], ${of(({ key }) => key)}::text[],
          ${of(({ state }) => state)}::text[], ${of(({ tries }) => tries)}::integer[],
          ${of(({ error }) => error)}::text[], ${of(({ json }) => hex(json))}::text[],
          ${of(({ delayMs }) => delayMs)}::float8[]
        ) as entry (id, topic, seq, key, state, tries, error, raw, delay_ms)`.execute();
    },
    async heads({ group, topics, blocking, part }, tx) {
      const { sql }: { sql: Sql } = tx ?? db;
      // From lane to lane by the index: what waits in them is not read, nor what is dead and holds nothing.
      const rows = await sql<LaneHead[]>`
        with recursive lanes as (
          (
            select topic, key, part from bus.parked where group_name = ${group} order by topic, key, part limit 1
          ) union all
          select next.* from lanes l cross join lateral (
            select topic, key, part from bus.parked
            where group_name = ${group} and (topic, key, part) > (l.topic, l.key, l.part)
            order by topic, key, part limit 1
          ) next
        )
        select part, topic, key, head.state,
          greatest(extract(epoch from head.next_try_at - clock_timestamp()) * 1000, 0)::float8 as "inMs"
        from lanes l cross join lateral (
          (
            select state, next_try_at from bus.parked
            where group_name = ${group} and topic = l.topic and key = l.key and part = l.part
              and l.topic = any(${[...blocking]}::text[])
            order by seq limit 1
          ) union all (
            select state, next_try_at from bus.parked
            where group_name = ${group} and topic = l.topic and key = l.key and part = l.part
              and state = 'parked' and l.topic <> all(${[...blocking]}::text[])
            order by seq limit 1
          )
        ) head
        where l.topic = any(${[...topics]}::text[]) ${part === undefined ? sql`` : sql`and l.part = ${part}`}`;
      return [...rows];
    },
    async open(tx, { group, part }, { topic, key }, { limit, skipsDead }) {
      const rows = await tx.sql<ParkedEntry[]>`
        select seq, convert_from(raw, 'UTF8') as json, state, tries from bus.parked
        where group_name = ${group} and topic = ${topic} and part = ${part} and key = ${key}
          and (state = 'parked' or not ${skipsDead}::boolean)
        order by seq limit ${limit} for update`;
      return [...rows];
    },
    async remove(tx, { group, part }, topic, seqs) {
      await tx.sql`
        delete from bus.parked
        where group_name = ${group} and topic = ${topic} and part = ${part} and seq = any(${[...seqs]}::bigint[])`.execute();
    },
    async fail(tx, { group, part }, { topic, seq, state, tries, error, delayMs }) {
      await tx.sql`
        update bus.parked
        set state = ${state}, tries = ${tries}, error = ${error},
          next_try_at = clock_timestamp() + ${delayMs}::float8 * interval '1 ms'
        where group_name = ${group} and topic = ${topic} and part = ${part} and seq = ${seq} and state = 'parked'`.execute();
    },
    ...forPeople(db),
  };
}

function forPeople(db: Db): Pick<Parking, "list" | "find" | "redrive" | "discard" | "hasDead"> {
  return {
    async list({ group, state }, after, limit) {
      const { sql } = db;
      const rows = await sql<EventRow[]>`
        select ${columns(sql)} from bus.parked
        where group_name = ${group} ${state === undefined ? sql`` : sql`and state = ${state}`}
          ${after === null ? sql`` : sql`and (parked_at_ms, id) > (${after[0]}, ${after[1]}::uuid)`}
        order by parked_at_ms, id limit ${limit}`;
      return rows.map(eventOf);
    },
    async find(group, id) {
      const { sql } = db;
      const [row] = await sql<(EventRow & { waiting: number })[]>`
        select ${columns(sql)}, (
          select count(*)::integer from bus.parked b
          where b.group_name = p.group_name and b.topic = p.topic and b.key = p.key and b.part = p.part and b.seq > p.seq
        ) as waiting
        from bus.parked p where group_name = ${group} and id = ${id}`;
      if (row === undefined) return null;
      const { waiting, ...event } = row;
      return { event: eventOf(event), waiting };
    },
    async redrive(tx, group, id) {
      const [row] = await tx.sql<EventRow[]>`
        update bus.parked set state = 'parked', tries = 0, next_try_at = clock_timestamp()
        where group_name = ${group} and id = ${id} and state = 'dead' returning ${columns(tx.sql)}`;
      return row === undefined ? null : eventOf(row);
    },
    async discard(tx, group, id) {
      const [row] = await tx.sql<EventRow[]>`
        delete from bus.parked where group_name = ${group} and id = ${id} and state = 'dead'
        returning ${columns(tx.sql)}`;
      return row === undefined ? null : eventOf(row);
    },
    async hasDead(tx, group, { topic, key }) {
      const rows = await tx.sql`
        select 1 from bus.parked
        where group_name = ${group} and topic = ${topic} and key = ${key} and state = 'dead' limit 1`;
      return rows.length > 0;
    },
  };
}
