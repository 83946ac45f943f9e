import type { Assets } from "#shared/accounting/book.ts";
import { type Instrument, instrumentSchema } from "#shared/domain/instrument.ts";
import { AT_WORK, type Session, sessionSchema } from "#shared/domain/session.ts";
import type { Sql } from "./db.ts";

// What services read of the schema `reference`. Its writers are market-data (instruments), session-manager (sessions) and
// order-position-tracker (accounts): what they write, and lock to write it, is in their stores. A function that takes `sql` and
// gives a fragment is for a statement that reads its own table at the same moment.

interface InstrumentRow {
  instrument: unknown;
}

/** An instrument as market-data keeps it. Null: not known yet. */
export async function readInstrument(sql: Sql, id: string): Promise<Instrument | null> {
  const [row] = await sql<InstrumentRow[]>`select instrument from reference.instruments where id = ${id}`;
  return row === undefined ? null : instrumentSchema.parse(row.instrument);
}

/** Instruments by their ids, after `afterId`; those of one venue where it is given. */
export async function listInstruments(
  sql: Sql,
  { venue, afterId, limit }: { venue?: string | undefined; afterId: string; limit: number },
): Promise<Instrument[]> {
  const rows = await sql<InstrumentRow[]>`
    select instrument from reference.instruments
    where id > ${afterId} ${venue === undefined ? sql`` : sql`and venue = ${venue}`}
    order by id limit ${limit}`;
  return rows.map((row) => instrumentSchema.parse(row.instrument));
}

/** What instruments trade, by their ids, as `assetsSql` gives it. Null: none of them is known. */
export type AssetsJson = Record<string, Assets> | null;

/** An expression: what these instruments trade, by their ids, as one JSON value (`AssetsJson`). */
export function assetsSql(sql: Sql, instrumentIds: readonly string[]) {
  return sql`(
    select jsonb_object_agg(id, jsonb_build_object('id', id, 'base', instrument -> 'base', 'quote', instrument -> 'quote'))
    from reference.instruments where id = any(${[...instrumentIds]}::text[])
  )`;
}

/** The sessions at work, by their ids; those of one partition where it is given. */
export async function readSessionsAtWork(sql: Sql, partition?: number): Promise<Session[]> {
  const rows = await sql<{ session: unknown }[]>`
    select session from reference.sessions
    where state = any(${[...AT_WORK]}) ${partition === undefined ? sql`` : sql`and partition = ${partition}`}
    order by id`;
  return rows.map(({ session }) => sessionSchema.parse(session));
}

/** A query: the series of the sessions at work, each once, as `instrument_id` and `time_frame`. */
export function seriesAtWorkSql(sql: Sql) {
  return sql`
    select distinct jsonb_array_elements_text(session -> 'instrumentIds') as instrument_id,
      session ->> 'timeFrame' as time_frame
    from reference.sessions where state = any(${[...AT_WORK]})`;
}

/** What of a session says which market it trades, and what it runs without. */
export type MarketOfSession = Pick<Session, "id" | "run" | "timeFrame" | "degraded"> & { instrumentId: string };

/** The same of all sessions at work, by their ids. */
export async function readMarketsAtWork(sql: Sql): Promise<MarketOfSession[]> {
  return await sql<MarketOfSession[]>`
    select id, run, session -> 'instrumentIds' ->> 0 as "instrumentId", session ->> 'timeFrame' as "timeFrame",
      session -> 'degraded' as degraded
    from reference.sessions where state = any(${[...AT_WORK]}) order by id`;
}
