import type { Tx } from "#shared/db/db.ts";

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
