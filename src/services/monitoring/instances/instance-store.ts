import type { Sql, Tx } from "#shared/db/db.ts";
import type { RoleLeader } from "#shared/leader/read-leaders.ts";
import { beatSchema } from "#shared/messages/topics.ts";
import type { Heard } from "./standings.ts";

/** The instances as the leader has heard them. A row of an earlier version, which cannot be read, is left out. */
export async function readInstances(sql: Sql): Promise<Heard[]> {
  const rows = await sql<{ beat: unknown; heardAtMs: number }[]>`
    select beat, heard_at_ms as "heardAtMs" from monitoring.instances`;
  return rows.flatMap(({ beat, heardAtMs }) => {
    const read = beatSchema.safeParse(beat);
    return read.success ? [{ beat: read.data, heardAtMs }] : [];
  });
}

/** Writes what was heard, and removes who was heard last before `forgetBeforeMs`. */
export async function writeInstances(tx: Tx, heard: readonly Heard[], forgetBeforeMs: number): Promise<void> {
  const rows = heard.map(({ beat, heardAtMs }) => ({
    service: beat.service,
    instance: beat.instance,
    beat,
    heardAtMs,
  }));
  await tx.sql`
    insert into monitoring.instances as i (service, instance, beat, heard_at_ms)
    select service, instance, beat, "heardAtMs"
    from jsonb_to_recordset(${tx.sql.json(rows)}) as r (service text, instance text, beat jsonb, "heardAtMs" bigint)
    on conflict (service, instance) do update set beat = excluded.beat, heard_at_ms = excluded.heard_at_ms
    where i.heard_at_ms < excluded.heard_at_ms`;
  await tx.sql`delete from monitoring.instances where heard_at_ms < ${forgetBeforeMs}`;
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
