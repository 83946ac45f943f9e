import type { Sql, Tx } from "#shared/db/db.ts";

/** Whether nobody has ended the halt that a kill began. */
export async function isStandingKill({ sql }: Tx, killId: string): Promise<boolean> {
  return (await sql`select 1 from reference.standing_kills where id = ${killId}`).length > 0;
}

/** Notes that a session is flat for a kill, and what is left that no order could close. */
export async function noteFlat(
  { sql }: Tx,
  { killId, sessionId, left, atMs }: { killId: string; sessionId: string; left: string | null; atMs: number },
): Promise<void> {
  await sql`
    insert into order_position_tracker.flattened (kill_id, session_id, left_over, flat_at_ms)
    values (${killId}, ${sessionId}, ${left}, ${atMs}) on conflict do nothing`;
}

/** Notes why a session is not flat for a kill yet; null: it is over. Not to be waited for: it travels with the commit. */
export function noteWaits(
  { sql }: Tx,
  { killId, sessionId, waits }: { killId: string; sessionId: string; waits: string | null },
): void {
  if (waits === null) {
    void sql`
      delete from order_position_tracker.flattening where kill_id = ${killId} and session_id = ${sessionId}`.execute();
    return;
  }
  void sql`
    insert into order_position_tracker.flattening as f (kill_id, session_id, waits)
    values (${killId}, ${sessionId}, ${waits})
    on conflict (kill_id, session_id) do update set waits = excluded.waits where f.waits <> excluded.waits`.execute();
}

/** The sessions of an account of which it is told that they are not flat for a kill that a person has ended since. */
export async function readToldOfEndedKills({ sql }: { sql: Sql }, accountId: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select s.id from alerts.open a join reference.sessions s on a.scope = 'session:' || s.id
    where a.code = 'KILL_NOT_FLAT' and s.account_id = ${accountId}
      and not exists (select from reference.standing_kills k where k.id = a.data ->> 'killId')
    order by s.id`;
  return rows.map(({ id }) => id);
}
