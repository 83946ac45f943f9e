import type { Sql, Tx } from "#shared/db/db.ts";
import type { DeadAction, DeadDetail } from "./dead-item.ts";
import type { DeadFound } from "./dead-source.ts";

/** Writes what a person did, with the thing as it was. */
export async function insertAction(
  tx: Tx,
  service: string,
  { action, by, reason, atMs, subject }: DeadAction & { subject: DeadFound },
): Promise<void> {
  await tx.sql`
    insert into dead.actions (id, service, kind, dead_id, action, by_whom, reason, at_ms, subject)
    values (${Bun.randomUUIDv7()}, ${service}, ${subject.kind}, ${subject.id}, ${action}, ${by}, ${reason}, ${atMs},
      ${tx.sql.json(subject)})`;
}

/** What was done about something, oldest first. */
export async function listActions(sql: Sql, deadId: string): Promise<DeadAction[]> {
  return await sql<DeadAction[]>`
    select action, by_whom as "by", reason, at_ms as "atMs" from dead.actions
    where dead_id = ${deadId} order by at_ms, id`;
}

/** What a person of this service decided last about something that is neither parked nor dead any more. */
export async function findEnded(
  sql: Sql,
  service: string,
  deadId: string,
): Promise<Omit<DeadDetail, "actions"> | null> {
  const [last] = await sql<{ action: DeadAction["action"]; subject: DeadFound }[]>`
    select action, subject from dead.actions
    where dead_id = ${deadId} and service = ${service} order by at_ms desc, id desc limit 1`;
  if (last === undefined) return null;
  return { ...last.subject, state: last.action === "discard" ? "discarded" : "done", waiting: 0 };
}
