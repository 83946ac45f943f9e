import type { Sql, Tx } from "#shared/db/db.ts";
import type { SessionState } from "#shared/domain/session.ts";
import type { RiskTarget } from "#shared/risk/risk-scope.ts";
import type { OwnState, RiskState } from "#shared/risk/risk-state-rule.ts";
import type { KilledSession, KillSummary } from "./kill-contract.ts";

/**
 * Waits for the decisions and intents that have read what risk holds back, and keeps new ones waiting until the transaction ends:
 * they see what it writes.
 */
export async function lockRiskStates({ sql }: Tx): Promise<void> {
  await sql`lock table reference.risk_states in exclusive mode`;
}

/** A session that a kill concerns. */
export interface ConcernedSession {
  id: string;
  accountId: string;
  state: SessionState;
  run: number;
}

/** The sessions of a target that may hold something, by their ids: those that were ever started, at rest only where they do. */
export async function concernedSessions({ sql }: Tx, target: RiskTarget): Promise<ConcernedSession[]> {
  return sql<ConcernedSession[]>`
    select id, account_id as "accountId", state, run from reference.sessions
    where run > 0 and state <> 'DELETED'
      and (state <> 'STOPPED' or id in (select session_id from reference.holding_sessions)) ${ofTarget(sql, target)} order by id`;
}

function ofTarget(sql: Sql, target: RiskTarget) {
  if ("session" in target) return sql`and id = ${target.session}`;
  return "account" in target ? sql`and account_id = ${target.account}` : sql``;
}

/** Whether there is such a session that is not deleted. */
export async function isSession({ sql }: Tx, id: string): Promise<boolean> {
  return (await sql`select 1 from reference.sessions where id = ${id} and state <> 'DELETED'`).length > 0;
}

/** Writes what holds a scope, in place of what held it before. The table is locked. */
export async function writeRiskState({ sql }: Tx, { scope, level, cause, sinceMs }: RiskState): Promise<void> {
  await sql`
    insert into reference.risk_states (scope, level, cause, since_ms) values (${scope}, ${level}, ${cause}, ${sinceMs})
    on conflict (scope) do update set level = excluded.level, until_ms = null, cause = excluded.cause,
      since_ms = excluded.since_ms`;
}

export async function removeRiskState({ sql }: Tx, scope: string): Promise<void> {
  await sql`delete from reference.risk_states where scope = ${scope}`;
}

/** Whether a scope has a state of risk, or a kill that nobody has ended. */
export async function isHeld({ sql }: Tx, scope: string): Promise<boolean> {
  const rows = await sql`
    select 1 from reference.risk_states where scope = ${scope}
    union all select 1 from risk_manager.kills where scope = ${scope} and ended_at_ms is null limit 1`;
  return rows.length > 0;
}

/** What a kill was asked under. */
export interface KillKey {
  caller: string;
  /** Null: without an Idempotency-Key. */
  key: string | null;
  fingerprint: string | null;
}

/** A kill that was asked for under a key. */
export interface KeyedKill {
  id: string;
  fingerprint: string | null;
  /** Null: it stands. */
  endedAtMs: number | null;
}

/** The kill that was asked for under a key. Null: none. */
export async function findByKey({ sql }: Tx, { caller, key }: KillKey): Promise<KeyedKill | null> {
  const [row] = await sql<KeyedKill[]>`
    select id, fingerprint, ended_at_ms as "endedAtMs" from risk_manager.kills where caller = ${caller} and key = ${key}`;
  return row ?? null;
}

/** A session of a kill: in which run it was, and whether the kill stops it. */
export interface SessionOfKill {
  id: string;
  run: number;
  stops: boolean;
}

/** Writes a kill with its sessions. */
export async function writeKill(
  { sql }: Tx,
  kill: {
    id: string;
    scope: string;
    reason: string | null;
    sessions: readonly SessionOfKill[];
    atMs: number;
  } & KillKey,
): Promise<void> {
  const { sessions } = kill;
  await sql`
    insert into risk_manager.kills (id, scope, reason, caller, key, fingerprint, created_at_ms)
    values (${kill.id}, ${kill.scope}, ${kill.reason}, ${kill.caller}, ${kill.key}, ${kill.fingerprint}, ${kill.atMs})`;
  await sql`
    insert into risk_manager.kill_sessions (kill_id, session_id, run, stops)
    select ${kill.id}, id, run, id = any(${sessions.filter(({ stops }) => stops).map(({ id }) => id)}::text[])
    from unnest(${sessions.map(({ id }) => id)}::text[], ${sessions.map(({ run }) => run)}::integer[]) as s (id, run)`;
}

/** A session that a kill stops, in the run in which it was killed. */
export interface StoppedSession {
  id: string;
  run: number;
  killId: string;
}

/** The sessions that these kills stop, by their ids. */
export async function stoppedSessions({ sql }: Tx, killIds: readonly string[]): Promise<StoppedSession[]> {
  return sql<StoppedSession[]>`
    select session_id as id, run, kill_id as "killId" from risk_manager.kill_sessions
    where kill_id = any(${[...killIds]}::text[]) and stops order by session_id, kill_id`;
}

/** How many sessions of these kills trade on, since the news of their kill has not come to session-manager, and the first of them by id. */
export async function sessionsThatRunOn(
  { sql }: Tx,
  killIds: readonly string[],
): Promise<{ count: number; first: string | null }> {
  const [row] = await sql<{ count: number; first: string | null }[]>`
    select count(distinct s.id)::int as count, min(s.id) as first
    from risk_manager.kill_sessions k join reference.sessions s on s.id = k.session_id and s.run = k.run
    where k.kill_id = any(${[...killIds]}::text[]) and k.stops and s.state in ('STARTING', 'RUNNING', 'PAUSED')`;
  return row ?? { count: 0, first: null };
}

/** Whether a kill was abandoned: then the stop that it has begun sells nothing. */
export async function isAbandoned({ sql }: Tx, id: string): Promise<boolean> {
  return (await sql`select 1 from risk_manager.kills where id = ${id} and abandoned`).length > 0;
}

/** Notes why what a session holds is not closed yet for a kill; null: it is under way. Not to be waited for: it travels with the commit. */
export function noteWaits(
  { sql }: Tx,
  { killId, sessionId, waits }: { killId: string; sessionId: string; waits: string | null },
): void {
  void sql`
    update risk_manager.kill_sessions set waits = ${waits}
    where kill_id = ${killId} and session_id = ${sessionId} and waits is distinct from ${waits}`.execute();
}

/** Whether a kill stands; then it does to the end of the transaction. */
export async function holdStandingKill({ sql }: Tx, id: string): Promise<boolean> {
  const rows = await sql`select 1 from risk_manager.kills where id = ${id} and ended_at_ms is null for share`;
  return rows.length > 0;
}

/** Ends the kills of a scope; those among them that are abandoned are named. */
export async function endKills(
  { sql }: Tx,
  { scope, abandoned, atMs }: { scope: string; abandoned: readonly string[]; atMs: number },
): Promise<void> {
  await sql`
    update risk_manager.kills set ended_at_ms = ${atMs}, abandoned = id = any(${[...abandoned]}::text[])
    where scope = ${scope} and ended_at_ms is null`;
}

type SummaryRow = Omit<KillSummary, "state" | "flatAtMs"> & { lastFlatAtMs: number | null };

function summaries(sql: Sql) {
  return sql`
    select k.id, k.scope, k.reason, k.caller, k.created_at_ms as "createdAtMs", k.ended_at_ms as "endedAtMs",
      c.sessions, c.flat, c."lastFlatAtMs"
    from risk_manager.kills k cross join lateral (
      select count(*)::int as sessions, count(f.session_id)::int as flat, max(f.flat_at_ms) as "lastFlatAtMs"
      from risk_manager.kill_sessions s
      left join reference.flattened_sessions f on f.kill_id = s.kill_id and f.session_id = s.session_id
      where s.kill_id = k.id) c`;
}

function summaryOf({ lastFlatAtMs, ...row }: SummaryRow): KillSummary {
  const isFlat = row.flat === row.sessions;
  const state = isFlat ? "FLAT" : row.endedAtMs === null ? "FLATTENING" : "ABANDONED";
  return { ...row, state, flatAtMs: isFlat ? (lastFlatAtMs ?? row.createdAtMs) : null };
}

/** Null: there is none. */
export async function readKill(sql: Sql, id: string): Promise<KillSummary | null> {
  const [row] = await sql<SummaryRow[]>`${summaries(sql)} where k.id = ${id}`;
  return row === undefined ? null : summaryOf(row);
}

/** The kills of these scopes that nobody has ended, newest first. */
export async function standingKills(sql: Sql, scopes: readonly string[]): Promise<KillSummary[]> {
  const rows = await sql<SummaryRow[]>`
    ${summaries(sql)} where k.scope = any(${[...scopes]}::text[]) and k.ended_at_ms is null
    order by k.created_at_ms desc, k.id desc`;
  return rows.map(summaryOf);
}

/** Where a page of kills begins: after this one, in the order of time. */
export type KillsAfter = [createdAtMs: number, id: string];

/** Kills, oldest first. */
export async function readKills(sql: Sql, after: KillsAfter | null, limit: number): Promise<KillSummary[]> {
  const [atMs, id] = after ?? [-1, ""];
  const rows = await sql<SummaryRow[]>`
    ${summaries(sql)} where (k.created_at_ms, k.id) > (${atMs}, ${id}) order by k.created_at_ms, k.id limit ${limit}`;
  return rows.map(summaryOf);
}

/** The sessions of a kill by their ids, after `afterId`; only those that are not flat where that is asked. */
export async function readKilledSessions(
  sql: Sql,
  { killId, afterId, limit, notFlat }: { killId: string; afterId: string; limit: number; notFlat: boolean },
): Promise<KilledSession[]> {
  return sql<KilledSession[]>`
    select s.session_id as "sessionId", f.left_over as left, f.flat_at_ms as "flatAtMs",
      case when f.flat_at_ms is null and k.ended_at_ms is null then nullif(concat_ws(' ', l.waits, s.waits), '') end as waits,
      case when f.flat_at_ms is not null then 'FLAT' when k.ended_at_ms is null then 'FLATTENING' else 'ABANDONED' end as state
    from risk_manager.kill_sessions s join risk_manager.kills k on k.id = s.kill_id
    left join reference.flattened_sessions f on f.kill_id = s.kill_id and f.session_id = s.session_id
    left join reference.flattening_sessions l on l.kill_id = s.kill_id and l.session_id = s.session_id
    where s.kill_id = ${killId} and s.session_id > ${afterId} ${notFlat ? sql`and f.session_id is null` : sql``}
    order by s.session_id limit ${limit}`;
}

/** The accounts that are known, by their ids: those with a row, and these. */
export async function readAccounts(
  sql: Sql,
  { configured, afterId, limit }: { configured: readonly string[]; afterId: string; limit: number },
): Promise<OwnState[]> {
  return sql<OwnState[]>`
    select ids.id, coalesce(a.trading_state, 'ACTIVE') as "tradingState", a.state_reason as reason
    from (select id from reference.accounts union select unnest(${[...configured]}::text[])) ids
    left join reference.accounts a on a.id = ids.id
    where ids.id > ${afterId} order by ids.id limit ${limit}`;
}

/** One of them. Null: it is not known. */
export async function readAccount(sql: Sql, id: string, configured: readonly string[]): Promise<OwnState | null> {
  const [row] = await sql<OwnState[]>`
    select trading_state as "tradingState", state_reason as reason, id from reference.accounts where id = ${id}`;
  if (row !== undefined) return row;
  return configured.includes(id) ? { id, tradingState: "ACTIVE", reason: null } : null;
}
