import type { Severity } from "#shared/alerts/alert-kinds.ts";
import type { AlertCounts } from "#shared/alerts/open-alerts.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { AlertRecord, AlertState, Word } from "./alert.ts";

/** An alert as it was raised. */
export type Raised = Pick<AlertRecord, "id" | "scope" | "code" | "severity" | "text" | "data" | "raisedAtMs">;

/** Adds an alert to the history. One of its scope and code that is open yet, as of an end that was lost, is told anew. */
export async function insertAlert(tx: Tx, raised: Raised): Promise<void> {
  const { id, scope, code, severity, text, data, raisedAtMs } = raised;
  await tx.sql`
    insert into monitoring.alerts (id, scope, code, severity, text, data, raised_at_ms)
    values (${id}, ${scope}, ${code}, ${severity}, ${text}, ${tx.sql.json(data)}, ${raisedAtMs})
    on conflict (scope, code) where cleared_at_ms is null do update
    set severity = excluded.severity, text = excluded.text, data = excluded.data`;
}

/**
 * Adds a batch of those that are open since before, and of which the history knows nothing, and ends a batch of those since before
 * that are open in the history alone: their events came when nobody kept it. Nothing is lost where an event comes late after all.
 */
export async function matchOpenAlerts(tx: Tx, { nowMs, beforeMs }: { nowMs: number; beforeMs: number }): Promise<void> {
  await tx.sql`
    insert into monitoring.alerts (id, scope, code, severity, text, data, raised_at_ms)
    select gen_random_uuid(), scope, code, severity, text, data, raised_at_ms from alerts.open o
    where raised_at_ms < ${beforeMs} and not exists (
      select from monitoring.alerts a where a.scope = o.scope and a.code = o.code and a.cleared_at_ms is null)
    order by scope, code limit 500 for share of o
    on conflict (scope, code) where cleared_at_ms is null do nothing`;
  await tx.sql`
    update monitoring.alerts set cleared_at_ms = greatest(raised_at_ms, ${nowMs}) where id in (
      select id from monitoring.alerts a where cleared_at_ms is null and raised_at_ms < ${beforeMs}
        and not exists (select from alerts.open o where o.scope = a.scope and o.code = a.code)
      order by scope, code limit 500 for update skip locked)`;
}

/** Notes that an alert is over. */
export async function endAlert(tx: Tx, at: { scope: string; code: string; atMs: number }): Promise<void> {
  await tx.sql`
    update monitoring.alerts set cleared_at_ms = greatest(raised_at_ms, ${at.atMs})
    where scope = ${at.scope} and code = ${at.code} and cleared_at_ms is null`;
}

/** Deletes a batch of those that were over before, and silences that are. */
export async function forgetOldAlerts(tx: Tx, beforeMs: number): Promise<void> {
  await tx.sql`
    delete from monitoring.alerts where id in (
      select id from monitoring.alerts where cleared_at_ms < ${beforeMs} order by cleared_at_ms limit 500)`;
  await tx.sql`delete from monitoring.silences where until_ms < ${beforeMs}`;
}

/** Text and data of one that is open are those of the table of open alerts: they are renewed there without an event. */
const rowsOf = (sql: Sql, nowMs: number) => sql`
  select a.id, a.scope, a.code, a.severity, coalesce(o.text, a.text) as text, coalesce(o.data, a.data) as data,
    a.raised_at_ms as "raisedAtMs", a.cleared_at_ms as "clearedAtMs", a.acknowledged,
    case when s.scope is not null then
      jsonb_build_object('by', s.by_whom, 'reason', s.reason, 'atMs', s.at_ms, 'untilMs', s.until_ms) end as silenced
  from monitoring.alerts a
  left join alerts.open o on a.cleared_at_ms is null and o.scope = a.scope and o.code = a.code
  left join monitoring.silences s on s.scope = a.scope and s.code = a.code and s.until_ms > ${nowMs}`;

/** Which are meant; undefined: all. `scope` is the beginning of one. */
export interface HistoryFilter {
  state: AlertState;
  scope?: string | undefined;
  code?: string | undefined;
  severity?: Severity | undefined;
  acknowledged?: boolean | undefined;
  silenced?: boolean | undefined;
}

/** Alerts, newest first, from behind `after`. */
export async function listAlerts(
  { sql, nowMs }: { sql: Sql; nowMs: number },
  { state, scope, code, severity, acknowledged, silenced }: HistoryFilter,
  { after, limit }: { after: [raisedAtMs: number, id: string] | null; limit: number },
): Promise<AlertRecord[]> {
  const is = (wanted: boolean) => (wanted ? sql`is not null` : sql`is null`);
  return await sql<AlertRecord[]>`
    ${rowsOf(sql, nowMs)}
    where true
      ${state === "all" ? sql`` : sql`and a.cleared_at_ms ${is(state === "over")}`}
      ${after === null ? sql`` : sql`and (a.raised_at_ms, a.id) < (${after[0]}, ${after[1]}::uuid)`}
      ${scope === undefined ? sql`` : sql`and starts_with(a.scope, ${scope})`}
      ${code === undefined ? sql`` : sql`and a.code = ${code}`}
      ${severity === undefined ? sql`` : sql`and a.severity = ${severity}`}
      ${acknowledged === undefined ? sql`` : sql`and a.acknowledged ${is(acknowledged)}`}
      ${silenced === undefined ? sql`` : sql`and s.scope ${is(silenced)}`}
    order by a.raised_at_ms desc, a.id desc limit ${limit}`;
}

/** How many alerts of the history are open, the silenced ones among them. */
export async function countOpen(sql: Sql): Promise<AlertCounts> {
  const rows = await sql<{ severity: Severity; count: number }[]>`
    select severity, count(*)::integer as count from monitoring.alerts where cleared_at_ms is null group by severity`;
  return Object.fromEntries(rows.map(({ severity, count }) => [severity, count]));
}

/** Null: there is none. */
export async function findAlert({ sql, nowMs }: { sql: Sql; nowMs: number }, id: string): Promise<AlertRecord | null> {
  const [row] = await sql<AlertRecord[]>`${rowsOf(sql, nowMs)} where a.id = ${id}`;
  return row ?? null;
}

/** Notes who has seen an open alert; the first word stands. False: it is over, or there is none. */
export async function acknowledgeAlert(sql: Sql, id: string, word: Word): Promise<boolean> {
  const rows = await sql`
    update monitoring.alerts set acknowledged = coalesce(acknowledged, ${sql.json({ ...word })})
    where id = ${id} and cleared_at_ms is null returning 1`;
  return rows.length > 0;
}

/** Silences alerts of a scope and code until then, in place of a silence that there is. */
export async function silence(
  sql: Sql,
  { scope, code }: Pick<AlertRecord, "scope" | "code">,
  { by, reason, atMs, untilMs }: Word & { untilMs: number },
): Promise<void> {
  await sql`
    insert into monitoring.silences (scope, code, until_ms, by_whom, reason, at_ms)
    values (${scope}, ${code}, ${untilMs}, ${by}, ${reason}, ${atMs})
    on conflict (scope, code) do update
    set until_ms = excluded.until_ms, by_whom = excluded.by_whom, reason = excluded.reason, at_ms = excluded.at_ms`;
}

/** Ends a silence, where there is one. */
export async function endSilence(sql: Sql, { scope, code }: Pick<AlertRecord, "scope" | "code">): Promise<void> {
  await sql`delete from monitoring.silences where scope = ${scope} and code = ${code}`;
}
