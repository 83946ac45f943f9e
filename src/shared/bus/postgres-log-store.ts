import type { Db, Sql } from "#shared/db/db.ts";
import type { Lag } from "./bus.ts";
import {
  type Advance,
  type LogEntry,
  type LogStore,
  type NewEntries,
  type Position,
  streamKey,
  type TakenPosition,
  type UnitEpoch,
} from "./log-store.ts";
import { createPostgresParking } from "./postgres-parking.ts";

/** The batch as one JSON text for bus.append. The envelopes are JSON already and are put in as they are. */
function batchText(batch: readonly NewEntries[]): string {
  const groups = batch.map(({ topic, part, entries }) => {
    const texts = entries.map(
      ({ key, type, version, json }) =>
        `{"key":${JSON.stringify(key)},"type":${JSON.stringify(type)},"version":${version},"envelope":${json}}`,
    );
    return `{"topic":${JSON.stringify(topic)},"part":${part},"entries":[${texts.join(",")}]}`;
  });
  return `[${groups.join(",")}]`;
}

function byStream(rows: readonly { topic: string; part: number; seq: number }[]): Map<string, number> {
  return new Map(rows.map((row) => [streamKey(row), row.seq]));
}

function advance(sql: Sql, { group, part, epoch }: UnitEpoch, steps: readonly Advance[]) {
  return sql`bus.advance(${group}, ${part}, ${epoch}, ${steps.map(({ topic }) => topic)}::text[],
    ${steps.map(({ before }) => before)}::bigint[], ${steps.map(({ after }) => after)}::bigint[])`;
}

async function lag(db: Db): Promise<Lag[]> {
  const rows = await db.sql<Lag[]>`
    select p.group_name as group, p.topic, p.part as partition, coalesce(q.next_seq - 1, 0) - p.seq as events
    from bus.positions p left join bus.partitions q using (topic, part) order by 1, 2, 3`;
  return [...rows];
}

/** Who is there to own units. */
function membersIn(db: Db): Pick<LogStore, "beat" | "leave"> {
  return {
    async beat(group, member, leaseMs) {
      const rows = await db.urgentSql<{ member: string }[]>`select bus.beat(${group}, ${member}, ${leaseMs}) as member`;
      return rows.map((row) => row.member);
    },
    async leave(group, member) {
      await db.sql`delete from bus.members where group_name = ${group} and member = ${member}`;
    },
  };
}

/** The log in the tables of schema `bus`. */
export function createPostgresLogStore(db: Db): LogStore {
  return {
    parking: createPostgresParking(db),
    append(tx, batch) {
      const statement = tx.sql<
        { firsts: number[] }[]
      >`select bus.append(${batchText(batch)}::text) as firsts`.execute();
      return statement.then(([row]) => row?.firsts ?? []);
    },
    async read({ topic, part }, afterSeq, limit) {
      const rows = await db.sql<LogEntry[]>`
        select seq, key, envelope::text as json from bus.log
        where topic = ${topic} and part = ${part} and seq > ${afterSeq} order by seq limit ${limit}`;
      return [...rows];
    },
    async heads(topics) {
      return byStream(
        await db.sql<{ topic: string; part: number; seq: number }[]>`
          select topic, part, next_seq - 1 as seq from bus.partitions where topic = any(${[...topics]}::text[])`,
      );
    },
    async take(tx, { group, part, epoch }, topics) {
      const rows = await tx.sql<TakenPosition[]>`
        insert into bus.positions as p (group_name, topic, part, epoch)
        select ${group}, topic, ${part}, ${epoch} from unnest(${[...topics].sort()}::text[]) as topic
        on conflict (group_name, topic, part) do update set epoch = excluded.epoch
        returning topic, seq, careful`;
      return [...rows];
    },
    async beCareful({ group, part, epoch }, until) {
      await db.sql`
        update bus.positions p set careful = greatest(careful, u.seq)
        from unnest(${until.map(({ topic }) => topic)}::text[], ${until.map(({ seq }) => seq)}::bigint[]) as u (topic, seq)
        where group_name = ${group} and part = ${part} and epoch = ${epoch} and p.topic = u.topic`;
    },
    advance(tx, unit, steps) {
      const statement = tx.sql`select ${advance(tx.sql, unit, steps)}`.execute();
      return statement.then(() => undefined);
    },
    async pass(unit, steps) {
      await db.sql`select set_config('synchronous_commit', 'off', true), ${advance(db.sql, unit, steps)}`;
    },
    async standing(group, topics) {
      return byStream(
        await db.sql<{ topic: string; part: number; seq: number }[]>`
          select topic, part, seq from bus.positions where group_name = ${group} and topic = any(${[...topics]}::text[])`,
      );
    },
    lag: () => lag(db),
    async positions({ group, part, epoch }, topics) {
      const rows = await db.sql<Position[]>`
        select topic, seq from bus.positions
        where group_name = ${group} and part = ${part} and epoch = ${epoch} and topic = any(${[...topics]}::text[])`;
      return rows.length === topics.length ? [...rows] : undefined;
    },
    async slowest() {
      return byStream(
        await db.sql<{ topic: string; part: number; seq: number }[]>`
          select topic, part, min(seq) as seq from bus.positions group by topic, part`,
      );
    },
    ...membersIn(db),
    async incarnation() {
      const [row] = await db.sql<{ id: string }[]>`select id from bus.incarnation`;
      return row?.id ?? "";
    },
  };
}
