import type { Sql, Tx } from "#shared/db/db.ts";

/** So many rows go at once. */
const MOST_DELETED = 10_000;

/** Recipients for whom something is due, the longest due first. */
export async function listDue(sql: Sql, nowMs: number, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from notification.recipients where least(release_at_ms, summary_at_ms, retry_at_ms) <= ${nowMs}
    order by least(release_at_ms, summary_at_ms, retry_at_ms) limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** When a recipient had its last summary, and when it has the next one. */
export async function setSummary(
  tx: Tx,
  { id, summarizedAtMs, summaryAtMs }: { id: string; summarizedAtMs: number; summaryAtMs: number },
): Promise<void> {
  await tx.sql`
    update notification.recipients set summarized_at_ms = ${summarizedAtMs}, summary_at_ms = ${summaryAtMs} where id = ${id}`;
}

/** Deletes messages that ended before a time, and fills from before another one. Answers how many messages. */
export async function deleteOld(
  sql: Sql,
  { messagesMs, fillsMs }: { messagesMs: number; fillsMs: number },
): Promise<number> {
  let deleted = 0;
  for (;;) {
    const { count } = await sql`
      delete from notification.messages where id in (
        select id from notification.messages where state <> 'waiting' and ended_at_ms < ${messagesMs} limit ${MOST_DELETED})`;
    deleted += count;
    if (count < MOST_DELETED) break;
  }
  await sql`delete from notification.fills where at_ms < ${fillsMs}`;
  return deleted;
}
