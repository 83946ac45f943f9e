import type { Db, Sql, Tx } from "#shared/db/db.ts";
import { readSessions } from "#shared/db/reference-rows.ts";
import { AT_WORK, type Session, sessionSchema } from "#shared/domain/session.ts";
import type { Denials, SessionView } from "./contract.ts";
import { NOTHING_REACHED, type Readiness } from "./reports/report-rules.ts";
import {
  matchesSql,
  pageSql,
  type SessionFilter,
  type SessionOrder,
  sortKeySql,
} from "./session/session-query-store.ts";

/** Where a page of sessions begins: after this one, in the order that was asked for. */
export type SessionsAfter = [key: number | string, id: string];

/** A session of a list, with what the list is sorted by. */
export interface ListedSession {
  key: number | string;
  view: SessionView;
}

interface SessionRow {
  session: unknown;
}

interface ViewRow extends SessionRow {
  count: number;
  last: Denials["last"];
}

/** All SQL of the sessions. */
export interface Store {
  /** Null: there is none, or it is deleted. */
  find(id: string): Promise<Session | null>;
  /** The same with what was denied to it. */
  view(id: string): Promise<SessionView | null>;
  /** Not deleted ones that a filter fits, in this order. */
  list(
    filter: SessionFilter,
    page: SessionOrder & { after: SessionsAfter | null; limit: number },
  ): Promise<ListedSession[]>;
  /** The ids of those that a filter fits, the oldest first. */
  matching(tx: Tx, filter: SessionFilter, limit: number): Promise<string[]>;
  /** Those at work (`AT_WORK`). */
  atWork(): Promise<Session[]>;
  /** As `find`, with the row locked until the transaction ends. */
  lock(tx: Tx, id: string): Promise<Session | null>;
  /** False: the code is taken by another session. */
  insert(tx: Tx, session: Session): Promise<boolean>;
  update(tx: Tx, session: Session): Promise<void>;
  readiness(tx: Tx, sessionId: string): Promise<Readiness>;
  saveReadiness(tx: Tx, sessionId: string, readiness: Readiness): Promise<void>;
  /** One more of a run's signals was denied. */
  countDenial(tx: Tx, sessionId: string, denial: NonNullable<Denials["last"]> & { run: number }): Promise<void>;
}

/** The store over Postgres. */
export function createStore(db: Db): Store {
  return {
    async find(id) {
      const rows = await db.sql<SessionRow[]>`
        select session from reference.sessions where id = ${id} and state <> 'DELETED'`;
      return sessionOf(rows);
    },
    async view(id) {
      const [row] = await db.sql<ViewRow[]>`${views(db.sql)} where s.id = ${id} and s.state <> 'DELETED'`;
      return row === undefined ? null : viewOf(row);
    },
    async list(filter, page) {
      const { sql } = db;
      const rows = await sql<(ViewRow & { key: number | string })[]>`
        ${views(sql, sql`, ${sortKeySql(sql, page.sort)} as key`)} where ${matchesSql(sql, filter)} ${pageSql(sql, page)}`;
      return rows.map((row) => ({ key: row.key, view: viewOf(row) }));
    },
    async matching({ sql }, filter, limit) {
      const rows = await sql<{ id: string }[]>`
        select s.id from reference.sessions s where ${matchesSql(sql, filter)} order by s.created_at_ms, s.id limit ${limit}`;
      return rows.map(({ id }) => id);
    },
    atWork: () => readSessions(db.sql, { states: AT_WORK }),
    async lock(tx, id) {
      const rows = await tx.sql<SessionRow[]>`
        select session from reference.sessions where id = ${id} and state <> 'DELETED' for update`;
      return sessionOf(rows);
    },
    async insert(tx, session) {
      const rows = await tx.sql`
        insert into reference.sessions (id, code, state, run, version, partition, account_id, session, created_at_ms, updated_at_ms)
        values (${session.id}, ${session.code}, ${session.state}, ${session.run}, ${session.version}, ${session.partition},
          ${session.accountId}, ${json(tx.sql, session)}, ${session.createdAtMs}, ${session.updatedAtMs})
        on conflict (code) do nothing returning 1`;
      return rows.length === 1;
    },
    async update(tx, session) {
      await tx.sql`
        update reference.sessions set state = ${session.state}, run = ${session.run}, version = ${session.version},
          account_id = ${session.accountId}, session = ${json(tx.sql, session)}, updated_at_ms = ${session.updatedAtMs}
        where id = ${session.id}`;
    },
    async readiness(tx, sessionId) {
      const rows = await tx.sql<Readiness[]>`
        select run, warm, reconciled, waits from session_manager.readiness where session_id = ${sessionId}`;
      return rows[0] ?? NOTHING_REACHED;
    },
    async saveReadiness(tx, sessionId, { run, warm, reconciled, waits }) {
      await tx.sql`
        insert into session_manager.readiness (session_id, run, warm, reconciled, waits)
        values (${sessionId}, ${run}, ${warm}, ${reconciled}, ${tx.sql.json(waits)})
        on conflict (session_id) do update set run = excluded.run, warm = excluded.warm, reconciled = excluded.reconciled,
          waits = excluded.waits`;
    },
    async countDenial(tx, sessionId, { run, code, reason, atMs }) {
      await tx.sql`
        insert into session_manager.denials as d (session_id, run, count, last_code, last_reason, last_at_ms)
        values (${sessionId}, ${run}, 1, ${code}, ${reason}, ${atMs})
        on conflict (session_id) do update set run = excluded.run,
          count = case when d.run = excluded.run then d.count + 1 else 1 end,
          last_code = excluded.last_code, last_reason = excluded.last_reason, last_at_ms = excluded.last_at_ms
        where d.run <= excluded.run`;
    },
  };
}

/** Denials of an earlier run do not count. `more`: further columns. */
function views(sql: Sql, more = sql``) {
  return sql`
    select s.session, coalesce(d.count, 0) as count, case when d.count is not null then
      jsonb_build_object('code', d.last_code, 'reason', d.last_reason, 'atMs', d.last_at_ms) end as last${more}
    from reference.sessions s left join session_manager.denials d on d.session_id = s.id and d.run = s.run`;
}

function viewOf({ session, count, last }: ViewRow): SessionView {
  return { ...sessionSchema.parse(session), denials: { count, last } };
}

function sessionOf(rows: readonly SessionRow[]): Session | null {
  const [row] = rows;
  return row === undefined ? null : sessionSchema.parse(row.session);
}

/** The driver's type of JSON has no room for an optional field; a session has none. */
function json(sql: Sql, session: Session) {
  return sql.json(session as unknown as Parameters<Sql["json"]>[0]);
}
