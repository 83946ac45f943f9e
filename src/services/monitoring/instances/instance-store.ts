import type { Sql, Tx } from "#shared/db/db.ts";
import type { RoleLeader } from "#shared/leader/read-leaders.ts";
import { beatSchema } from "#shared/messages/topics.ts";
import type { Heard } from "./standings.ts";

/** An instance as its row has it. */
export interface KeptInstance extends Heard {
  /** A person has said, since it was heard last, that it is gone for good. */
  gone: boolean;
}

/** The instances as the leader has heard them. A row of an earlier version, which cannot be read, is left out. */
export async function readInstances(sql: Sql): Promise<KeptInstance[]> {
  const rows = await sql<(Omit<KeptInstance, "beat"> & { beat: unknown })[]>`
    select beat, heard_at_ms as "heardAtMs", missed, replaced_by as "replacedBy", gone from monitoring.instances`;
  return rows.flatMap(({ beat, ...row }) => {
    const read = beatSchema.safeParse(beat);
    return read.success ? [{ ...row, beat: read.data }] : [];
  });
}

/**
 * Writes what was heard, and removes who was heard last before `forgetBeforeMs` and is missed by nobody: who left in order or was
 * replaced, but for the last of a service, which says that the service is down; and who a person has said is gone.
 */
export async function writeInstances(tx: Tx, heard: readonly Heard[], forgetBeforeMs: number): Promise<void> {
  const rows = rowsOf(heard);
  await tx.sql`
    insert into monitoring.instances as i (service, instance, beat, heard_at_ms, missed, replaced_by)
    select service, instance, beat, "heardAtMs", missed, "replacedBy"
    from jsonb_to_recordset(${tx.sql.json(rows)}) as r (
      service text, instance text, beat jsonb, "heardAtMs" bigint, missed boolean, "replacedBy" text)
    order by service, instance
    on conflict (service, instance) do update
    set beat = excluded.beat, heard_at_ms = excluded.heard_at_ms, missed = excluded.missed,
      replaced_by = excluded.replaced_by,
      gone = i.gone and (excluded.beat ->> 'atMs')::numeric <= (i.beat ->> 'atMs')::numeric
    where (i.heard_at_ms, i.missed, i.replaced_by)
      is distinct from (excluded.heard_at_ms, excluded.missed, excluded.replaced_by)`;
  await tx.sql`
    delete from monitoring.instances i where heard_at_ms < ${forgetBeforeMs} and (
      gone or ((replaced_by is not null or (beat ->> 'leaving')::boolean) and exists (
        select from monitoring.instances n where n.service = i.service and not n.gone
          and (n.heard_at_ms, n.instance) > (i.heard_at_ms, i.instance))))`;
}

/** Notes that a person says of these that they are gone for good, which holds until they say something again. */
export async function writeGone(sql: Sql, heard: readonly Heard[]): Promise<void> {
  await sql`
    insert into monitoring.instances (service, instance, beat, heard_at_ms, missed, replaced_by, gone)
    select service, instance, beat, "heardAtMs", missed, "replacedBy", true
    from jsonb_to_recordset(${sql.json(rowsOf(heard))}) as r (
      service text, instance text, beat jsonb, "heardAtMs" bigint, missed boolean, "replacedBy" text)
    order by service, instance
    on conflict (service, instance) do update set gone = true`;
}

function rowsOf(heard: readonly Heard[]) {
  return heard.map(({ beat, heardAtMs, missed, replacedBy }) => {
    return { service: beat.service, instance: beat.instance, beat, heardAtMs, missed, replacedBy };
  });
}

/** Notes the roles that have a new leader, and forgets the changes before `forgetBeforeMs` but the newest of each role. */
export async function noteRoleChanges(
  tx: Tx,
  roles: readonly RoleLeader[],
  { nowMs, forgetBeforeMs }: { nowMs: number; forgetBeforeMs: number },
): Promise<void> {
  const rows = roles.map(({ role, epoch, holder }) => ({ role, epoch, holder }));
  await tx.sql`
    insert into monitoring.role_changes (role, epoch, holder, seen_at_ms)
    select role, epoch, holder, ${nowMs}
    from jsonb_to_recordset(${tx.sql.json(rows)}) as r (role text, epoch bigint, holder text)
    on conflict do nothing`;
  await tx.sql`
    delete from monitoring.role_changes c where seen_at_ms < ${forgetBeforeMs}
      and exists (select 1 from monitoring.role_changes n where n.role = c.role and n.epoch > c.epoch)`;
}

/** How a role has changed hands. */
export interface RoleHistory {
  /** When its present leader was seen first, UTC epoch milliseconds. */
  sinceMs: number;
  /** The epoch that it had before the changes within the time asked for. */
  epochBefore: number;
}

/** By role: since when it has its leader, and the epoch at `fromMs` (that of the first change seen, where that was later). */
export async function readRoleHistories(sql: Sql, fromMs: number): Promise<Map<string, RoleHistory>> {
  const rows = await sql<(RoleHistory & { role: string })[]>`
    select role, max(seen_at_ms) as "sinceMs",
      coalesce(max(epoch) filter (where seen_at_ms < ${fromMs}), min(epoch)) as "epochBefore"
    from monitoring.role_changes group by role`;
  return new Map(rows.map(({ role, ...history }) => [role, history]));
}
