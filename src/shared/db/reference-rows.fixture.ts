import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Sql } from "./db.ts";

// Rows of the schema `reference`, as their writers write them.

/** Writes a session as session-manager does; gives it back. */
export async function putSession(sql: Sql, session: Session): Promise<Session> {
  const { id, code, state, run, version, partition, accountId } = session;
  await sql`
    insert into reference.sessions
      (id, code, state, run, version, partition, account_id, session, created_at_ms, updated_at_ms)
    values (${id}, ${code}, ${state}, ${run}, ${version}, ${partition}, ${accountId}, ${sql.json(session as never)}, 1, 1)
    on conflict (id) do update set state = excluded.state, run = excluded.run, version = excluded.version,
      session = excluded.session`;
  return session;
}

/** Writes an instrument as market-data does. */
export async function putInstrument(sql: Sql, instrument: Instrument): Promise<void> {
  await sql`
    insert into reference.instruments values (${instrument.id}, ${instrument.venue}, ${sql.json(instrument as never)}, 1)`;
}

/** Writes an account that trades, as order-position-tracker does. */
export async function putAccount(sql: Sql, id: string, venue: string): Promise<void> {
  await sql`insert into reference.accounts (id, venue, updated_at_ms) values (${id}, ${venue}, 1)`;
}
