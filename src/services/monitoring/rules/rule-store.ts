import type { Sql, Tx } from "#shared/db/db.ts";
import type { Condition } from "./judge.ts";
import { type ChangeRule, type KeptRule, type Rule, ruleSchema } from "./rule.ts";

interface Row {
  rule: unknown;
  shipped: boolean;
  changed: boolean;
  updatedAtMs: number;
}

const columns = (sql: Sql) => sql`rule, shipped, changed, updated_at_ms as "updatedAtMs"`;

/** Null: a rule of another version of the engine, as of a fact that there is no more. */
function ruleOf({ rule, ...rest }: Row): KeptRule | null {
  const read = ruleSchema.safeParse(rule);
  return read.success ? { ...read.data, ...rest } : null;
}

/** Rules by their ids, after the one given. */
export async function listRules(sql: Sql, after: string, limit: number): Promise<KeptRule[]> {
  const rows = await sql<Row[]>`
    select ${columns(sql)} from monitoring.rules where id > ${after} order by id limit ${limit}`;
  return rows.flatMap((row) => ruleOf(row) ?? []);
}

/** Null: there is none. */
export async function findRule(sql: Sql, id: string): Promise<KeptRule | null> {
  const [row] = await sql<Row[]>`select ${columns(sql)} from monitoring.rules where id = ${id}`;
  return row === undefined ? null : ruleOf(row);
}

/** Writes the rules that come with the engine, but for those that a person has changed; others that came once go. */
export async function writeShipped(tx: Tx, rules: readonly Rule[], nowMs: number): Promise<void> {
  await tx.sql`
    insert into monitoring.rules as r (id, rule, shipped, updated_at_ms)
    select rule ->> 'id', rule, true, ${nowMs} from jsonb_array_elements(${tx.sql.json([...rules])}) as rule order by 1
    on conflict (id) do update set rule = excluded.rule, shipped = true, updated_at_ms = excluded.updated_at_ms
    where r.shipped and not r.changed and r.rule <> excluded.rule`;
  await tx.sql`
    delete from monitoring.rules where shipped and not changed and id <> all(${rules.map(({ id }) => id)})`;
}

/** How many rules there may be: each look goes through all of them. */
const MOST_RULES = 500;

/** Adds a rule of a person. taken: there is one of this name. full: there are as many as there may be. */
export async function insertRule(sql: Sql, rule: Rule, nowMs: number): Promise<"added" | "taken" | "full"> {
  const [row] = await sql<{ count: number; added: boolean }[]>`
    with counted as (select count(*)::int as count from monitoring.rules),
    added as (
      insert into monitoring.rules (id, rule, shipped, updated_at_ms)
      select ${rule.id}, ${sql.json(rule)}, false, ${nowMs} from counted where count < ${MOST_RULES}
      on conflict do nothing returning 1
    )
    select count, exists (select from added) as added from counted`;
  if (row?.added === true) return "added";
  return (row?.count ?? 0) < MOST_RULES ? "taken" : "full";
}

/** Writes the fields given over those of a rule. False: there is none. */
export async function changeRule(sql: Sql, id: string, change: ChangeRule, nowMs: number): Promise<boolean> {
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const rows = await sql`
    update monitoring.rules set rule = rule || ${sql.json(given)}::jsonb, changed = shipped, updated_at_ms = ${nowMs}
    where id = ${id} returning 1`;
  return rows.length > 0;
}

/** Has a rule that a person has changed be the engine's own again. False: it did not come with the engine. */
export async function resetRule(sql: Sql, rule: Rule, nowMs: number): Promise<boolean> {
  const rows = await sql`
    update monitoring.rules set rule = ${sql.json(rule)}, changed = false, updated_at_ms = ${nowMs}
    where id = ${rule.id} and shipped returning 1`;
  return rows.length > 0;
}

/** Deletes a rule of a person. False: there is none. */
export async function deleteRule(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql`delete from monitoring.rules where id = ${id} and not shipped returning 1`;
  return rows.length > 0;
}

/** All rules and all conditions, as the leader's transaction sees them. */
export async function readForJudgement(tx: Tx): Promise<{ rules: KeptRule[]; before: Condition[] }> {
  const [rules, before] = await Promise.all([
    listRules(tx.sql, "", MOST_RULES * 2),
    tx.sql<Condition[]>`
      select rule_id as "ruleId", subject, since_ms as "sinceMs", over_since_ms as "overSinceMs"
      from monitoring.conditions`,
  ]);
  return { rules, before: [...before] };
}

/** Writes conditions that are new or have changed, and removes those that are over. */
export async function writeConditions(
  tx: Tx,
  { changed, over }: { changed: readonly Condition[]; over: readonly Condition[] },
): Promise<void> {
  if (changed.length > 0) {
    await tx.sql`
      insert into monitoring.conditions (rule_id, subject, since_ms, over_since_ms)
      select "ruleId", subject, "sinceMs", "overSinceMs"
      from jsonb_to_recordset(${tx.sql.json(changed.map((one) => ({ ...one })))})
        as c ("ruleId" text, subject text, "sinceMs" bigint, "overSinceMs" bigint)
      on conflict (rule_id, subject) do update
      set since_ms = excluded.since_ms, over_since_ms = excluded.over_since_ms`;
  }
  if (over.length > 0) {
    await tx.sql`
      delete from monitoring.conditions c
      using jsonb_to_recordset(${tx.sql.json(over.map(({ ruleId, subject }) => ({ ruleId, subject })))})
        as o ("ruleId" text, subject text)
      where c.rule_id = o."ruleId" and c.subject = o.subject`;
  }
}

/** When the leader looked last, and what it could not see. */
export interface Look {
  atMs: number;
  /** By the source, why. */
  blind: Record<string, string>;
}

/** Notes a look of the leader. */
export async function noteLook(tx: Tx, epoch: number, { atMs, blind }: Look): Promise<void> {
  await tx.sql`
    insert into monitoring.looks (epoch, at_ms, blind) values (${epoch}, ${atMs}, ${tx.sql.json(blind)})
    on conflict (single) do update set epoch = excluded.epoch, at_ms = excluded.at_ms, blind = excluded.blind`;
}

/** Null: nobody has looked yet. */
export async function readLook(sql: Sql): Promise<Look | null> {
  const [row] = await sql<Look[]>`select at_ms as "atMs", blind from monitoring.looks`;
  return row ?? null;
}
