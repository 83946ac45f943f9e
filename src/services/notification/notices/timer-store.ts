import type { Sql, Tx } from "#shared/db/db.ts";

/** So many rows go at once. */
const MOST_DELETED = 10_000;

/** What is due for a recipient: its lane is tried again, what is held becomes a message, or it gets a daily summary. */
export interface Due {
  id: string;
  what: "retry" | "digest" | "summary";
}

/** What is due: lanes that are tried again before digests, and these before summaries; of each the longest due first. */
export async function listDue(sql: Sql, nowMs: number, limit: number): Promise<Due[]> {
  return await sql<Due[]>`
    select id, what
    from notification.recipients, lateral (
      values (1, 'retry', retry_at_ms), (2, 'digest', release_at_ms), (3, 'summary', summary_at_ms)
    ) as due (rank, what, at_ms)
    where least(release_at_ms, summary_at_ms, retry_at_ms) <= ${nowMs} and at_ms <= ${nowMs}
    order by rank, at_ms limit ${limit}`;
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
