import type { z } from "zod";
import type { Assets } from "#shared/accounting/book.ts";
import { type Instrument, instrumentSchema } from "#shared/domain/instrument.ts";
import { AT_WORK, type Session, type SessionState, sessionSchema } from "#shared/domain/session.ts";
import { faultsOf } from "#shared/errors/field-error.ts";
import type { RiskState } from "#shared/risk/risk-state-rule.ts";
import type { Sql } from "./db.ts";

// What services read of the schema `reference`. Its writers are market-data (instruments), session-manager (sessions),
// order-position-tracker (accounts) and risk-manager (risk states): what they write, and lock to write it, is in their stores. A
// function that takes `sql` and gives a fragment is for a statement that reads its own table at the same moment.

/** Is told of a row that is not as its schema says, and of what in it is not. */
export type OnUnreadable = (row: { what: "session" | "instrument"; id: string; reason: string }) => void;

/** What of a row is not as its schema says; empty: it is as it should be. */
export function whyUnreadable(schema: z.ZodType, value: unknown): string {
  return faultsOf(schema, value)
    .map(({ field, message }) => `${field} ${message}`)
    .join("; ");
}

interface InstrumentRow {
  instrument: unknown;
}

/** An instrument as market-data keeps it. Null: not known yet. */
export async function readInstrument(sql: Sql, id: string): Promise<Instrument | null> {
  const [row] = await sql<InstrumentRow[]>`select instrument from reference.instruments where id = ${id}`;
  return row === undefined ? null : instrumentSchema.parse(row.instrument);
}

/** The instrument that a venue calls so. Null: not known. */
export async function readInstrumentBySymbol(sql: Sql, venue: string, venueSymbol: string): Promise<Instrument | null> {
  const [row] = await sql<InstrumentRow[]>`
    select instrument from reference.instruments
    where venue = ${venue} and instrument ->> 'venueSymbol' = ${venueSymbol}`;
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

/** A session as it is now, also one that is deleted. Null: there is none. */
export async function readSession(sql: Sql, id: string): Promise<Session | null> {
  const [row] = await sql<{ session: unknown }[]>`select session from reference.sessions where id = ${id}`;
  return row === undefined ? null : sessionSchema.parse(row.session);
}

/**
 * The sessions in these states, by their ids; those of one partition where it is given. A row that cannot be read fails them
 * all, but where `onUnreadable` is given: then it is told of, and left out.
 */
export async function readSessions(
  sql: Sql,
  of: { states: readonly SessionState[]; partition?: number; onUnreadable?: OnUnreadable },
): Promise<Session[]> {
  const { states, partition, onUnreadable } = of;
  const rows = await sql<{ id: string; session: unknown }[]>`
    select id, session from reference.sessions
    where state = any(${[...states]}) ${partition === undefined ? sql`` : sql`and partition = ${partition}`}
    order by id`;
  return rows.flatMap(({ id, session }) => {
    const read = sessionSchema.safeParse(session);
    if (read.success) return [read.data];
    if (onUnreadable === undefined) throw read.error;
    onUnreadable({ what: "session", id, reason: whyUnreadable(sessionSchema, session) });
    return [];
  });
}

/** A condition on rows of `reference.sessions`: at work with something missing. Nothing moves any more at a replay that has shown its last bar: that misses nothing. */
export function missesSomethingSql(sql: Sql) {
  return sql`state = any(${[...AT_WORK]}) and jsonb_path_exists(session, '$.degraded[*].code ? (@ <> "MARKET_ENDED")')`;
}

/** Whether a session at work runs with something missing. */
export async function anyMissesSomething(sql: Sql): Promise<boolean> {
  const rows = await sql`select 1 from reference.sessions where ${missesSomethingSql(sql)} limit 1`;
  return rows.length > 0;
}

/** Names of sessions by their ids; one that is not there has none. */
export async function readSessionNames(sql: Sql, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await sql<{ id: string; name: string }[]>`
    select id, session ->> 'name' as name from reference.sessions where id = any(${[...ids]}::text[])`;
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** Of these alerts, those that a person wants nobody to be told of now. */
export async function readSilenced<At extends { scope: string; code: string }>(
  sql: Sql,
  alerts: readonly At[],
  nowMs: number,
): Promise<Set<At>> {
  if (alerts.length === 0) return new Set();
  const rows = await sql<{ place: number }[]>`
    select place::int from unnest(
      ${alerts.map(({ scope }) => scope)}::text[], ${alerts.map(({ code }) => code)}::text[]
    ) with ordinality as a (scope, code, place)
    join reference.alert_silences using (scope, code) where until_ms > ${nowMs}`;
  return new Set(rows.flatMap(({ place }) => alerts[place - 1] ?? []));
}

/** How many sessions are in each state, of these or of all (null); those that are deleted do not count. */
export async function countSessionStates(sql: Sql, ids: readonly string[] | null): Promise<Record<string, number>> {
  const rows = await sql<{ state: string; count: number }[]>`
    select state, count(*)::integer as count from reference.sessions
    where state <> 'DELETED' ${ids === null ? sql`` : sql`and id = any(${[...ids]}::text[])`}
    group by state order by state`;
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

/** The present run of a session. Null: it was never started, or there is none. */
export async function readRun(sql: Sql, sessionId: string): Promise<number | null> {
  const [session] = await sql<{ run: number }[]>`
    select run from reference.sessions where id = ${sessionId} and run > 0`;
  return session?.run ?? null;
}

/** The state of a session, which nobody changes before the transaction ends. Null: there is none. */
export async function holdSessionState(sql: Sql, sessionId: string): Promise<SessionState | null> {
  const [session] = await sql<{ state: SessionState }[]>`
    select state from reference.sessions where id = ${sessionId} for share`;
  return session?.state ?? null;
}

/** What risk holds back of a session; then that stays so until the transaction ends. Null: nothing. `nowMs`: wall clock. */
export async function holdRiskState(
  sql: Sql,
  { id, accountId }: Pick<Session, "id" | "accountId">,
  nowMs: number,
): Promise<RiskState | null> {
  const [row] = await sql<{ risk: RiskState | null }[]>`
    select reference.risk_state(${id}, ${accountId}, ${nowMs}) as risk`;
  return row?.risk ?? null;
}

/** What risk holds back of these scopes now, the strictest first. */
export async function readRiskStates(sql: Sql, scopes: readonly string[], nowMs: number): Promise<RiskState[]> {
  return sql<RiskState[]>`
    select scope, level, cause, since_ms as "sinceMs" from reference.risk_states
    where scope = any(${[...scopes]}::text[]) and (until_ms is null or until_ms > ${nowMs}) order by level desc, scope`;
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

const marketOfSessionSchema = sessionSchema
  .pick({ id: true, run: true, timeFrame: true, degraded: true })
  .extend({ instrumentId: instrumentSchema.shape.id });

/**
 * The same of all sessions at work, by their ids; those of one account where it is given. Where `onUnreadable` is given it is
 * told of rows that are not so, and they are left out.
 */
export async function readMarketsAtWork(
  sql: Sql,
  { accountId, onUnreadable }: { accountId?: string; onUnreadable?: OnUnreadable } = {},
): Promise<MarketOfSession[]> {
  const rows = await sql<MarketOfSession[]>`
    select id, run, session -> 'instrumentIds' ->> 0 as "instrumentId", session ->> 'timeFrame' as "timeFrame",
      session -> 'degraded' as degraded
    from reference.sessions
    where state = any(${[...AT_WORK]}) ${accountId === undefined ? sql`` : sql`and account_id = ${accountId}`} order by id`;
  if (onUnreadable === undefined) return rows;
  return rows.filter((row) => {
    const reason = whyUnreadable(marketOfSessionSchema, row);
    if (reason !== "") onUnreadable({ what: "session", id: row.id, reason });
    return reason === "";
  });
}
