import type { Alert } from "#shared/alerts/raise-alert.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { AlertKey, ToldAlert, ToldAlerts } from "./told-alerts.ts";

const columns = (sql: Sql) => sql`
  a.scope, a.code, a.severity, a.raised_at_ms as "raisedAtMs", a.over_at_ms as "overAtMs", a.told, a.silenced`;

/** What is kept of these alerts, locked in the order of their keys. The caller has locked the recipients. */
export async function lockAlerts({ sql }: Tx, keys: readonly AlertKey[]): Promise<ToldAlert[]> {
  return await sql<ToldAlert[]>`
    select ${columns(sql)} from notification.alerts a
    where (scope, code) in (select * from ${keysSql(sql, keys)})
    order by scope, code for update`;
}

function keysSql(sql: Sql, keys: readonly AlertKey[]) {
  return sql`unnest(${keys.map(({ scope }) => scope)}::text[], ${keys.map(({ code }) => code)}::text[])`;
}

/** Writes what has become of alerts. */
export async function writeAlerts({ sql }: Tx, alerts: ToldAlerts): Promise<void> {
  const { kept, gone } = alerts.changed();
  if (gone.length > 0)
    await sql`delete from notification.alerts where (scope, code) in (select * from ${keysSql(sql, gone)})`;
  if (kept.length > 0)
    await sql`
      insert into notification.alerts (scope, code, severity, raised_at_ms, over_at_ms, told, silenced)
      select scope, code, severity, "raisedAtMs", "overAtMs", told, silenced
      from jsonb_to_recordset(${sql.json(kept as never)}) as a (scope text, code text, severity text, "raisedAtMs" bigint,
        "overAtMs" bigint, told uuid[], silenced boolean)
      on conflict (scope, code) do update set severity = excluded.severity, raised_at_ms = excluded.raised_at_ms,
        over_at_ms = excluded.over_at_ms, told = excluded.told, silenced = excluded.silenced`;
}

/** An alert that is to be told after its silence: as it reads now, where it is open. */
export interface UnheardAlert extends ToldAlert {
  text: string | null;
  data: Alert["data"] | null;
}

/**
 * Silenced alerts that are silenced no more. One that is open here and not in the table of open alerts is left out: the event of
 * its end is on its way.
 */
const unheardSql = (sql: Sql, nowMs: number) => sql`
  from notification.alerts a left join alerts.open o on o.scope = a.scope and o.code = a.code and o.raised_at_ms = a.raised_at_ms
  where a.silenced and (a.over_at_ms is not null or o.scope is not null) and not exists (
    select from reference.alert_silences s where s.scope = a.scope and s.code = a.code and s.until_ms > ${nowMs})`;

/** Whether there is one. */
export async function isAnyUnheard(sql: Sql, nowMs: number): Promise<boolean> {
  return (await sql`select 1 ${unheardSql(sql, nowMs)} limit 1`).length > 0;
}

/** So many are told in a transaction. */
const MOST_UNHEARD = 500;

/** Some of them, locked in the order of their keys. The caller has locked the recipients. */
export async function lockUnheard({ sql }: Tx, nowMs: number): Promise<UnheardAlert[]> {
  return await sql<UnheardAlert[]>`
    select ${columns(sql)}, o.text, o.data ${unheardSql(sql, nowMs)}
    order by a.scope, a.code limit ${MOST_UNHEARD} for update of a`;
}
