import type { Tx } from "#shared/db/db.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Fill } from "#shared/domain/order.ts";
import { contentSchema, type MessageContent } from "./content.ts";
import { MOST_HELD, type Standing } from "./hold.ts";

/** A message to be kept. */
export interface NewMessage {
  id: string;
  recipientId: string;
  seq: number;
  content: MessageContent;
  createdAtMs: number;
}

/** A notice that is held back. */
export interface NewHeld {
  recipientId: string;
  content: MessageContent;
}

/** What a transaction has made for a recipient whose row it has locked. */
interface Made {
  recipient: { id: string };
  messages: readonly NewMessage[];
  held: readonly NewHeld[];
  standing: Standing;
  nextSeq: number;
  retryAtMs: number | null;
}

/** Writes messages, what is held back, and how the recipients stand. */
export async function writeNotices(tx: Tx, made: readonly Made[]): Promise<void> {
  const { sql } = tx;
  const messages = made.flatMap((one) => one.messages);
  if (messages.length > 0)
    await sql`
      insert into notification.messages (id, recipient_id, seq, content, created_at_ms)
      select id, "recipientId", seq, content, "createdAtMs" from jsonb_to_recordset(${sql.json(messages as never)})
        as m (id uuid, "recipientId" uuid, seq bigint, content jsonb, "createdAtMs" bigint)`;
  const held = made.flatMap((one) => one.held);
  if (held.length > 0)
    await sql`
      insert into notification.held (recipient_id, content)
      select (h.value ->> 'recipientId')::uuid, h.value -> 'content'
      from jsonb_array_elements(${sql.json(held as never)}) with ordinality as h (value, place) order by h.place`;
  await makeRoom(tx, held);
  const rows = made.map(({ recipient, standing, nextSeq, retryAtMs }) => ({
    id: recipient.id,
    nextSeq,
    retryAtMs,
    ...standing,
  }));
  await sql`
    update notification.recipients r
    set next_seq = s."nextSeq", held_count = s."heldCount", held_critical = s."heldCritical", release_at_ms = s."releaseAtMs",
      throttle_minute = s."throttleMinute", throttle_count = s."throttleCount", retry_at_ms = s."retryAtMs"
    from jsonb_to_recordset(${sql.json(rows as never)}) as s (id uuid, "nextSeq" bigint, "heldCount" integer, "heldCritical" integer,
      "releaseAtMs" bigint, "throttleMinute" bigint, "throttleCount" integer, "retryAtMs" bigint)
    where r.id = s.id`;
}

/** Where something critical was kept, the latest that is not goes for it: it is told as a number. */
async function makeRoom({ sql }: Tx, held: readonly NewHeld[]): Promise<void> {
  const ids = held.filter(({ content }) => content.severity === "critical").map(({ recipientId }) => recipientId);
  if (ids.length === 0) return;
  await sql`
    delete from notification.held h using (
      select recipient_id, n,
        row_number() over (partition by recipient_id order by content ->> 'severity' = 'critical' desc, n) as place
      from notification.held where recipient_id = any(${[...new Set(ids)]}::uuid[])
    ) ranked
    where ranked.place > ${MOST_HELD} and h.recipient_id = ranked.recipient_id and h.n = ranked.n`;
}

/** What is held back for a recipient, in order; it is no longer. What cannot be read is left out: it was counted. */
export async function takeHeld(tx: Tx, recipientId: string): Promise<MessageContent[]> {
  const rows = await tx.sql<{ n: number; content: unknown }[]>`
    delete from notification.held where recipient_id = ${recipientId} returning n, content`;
  return rows
    .toSorted((left, right) => left.n - right.n)
    .flatMap(({ content }) => {
      const read = contentSchema.safeParse(content);
      return read.success ? [read.data] : [];
    });
}

/** Keeps fills for the daily summary. Their time is ours: a replay's market is of another year. */
export async function addFills(tx: Tx, fills: readonly Fill[], nowMs: number): Promise<void> {
  const rows = fills.map(({ sessionId, side, price, size, fee, feeAsset }) => {
    const value = plain(decimal(price).times(decimal(size)));
    return { sessionId, side, value, fee, feeAsset };
  });
  await tx.sql`
    insert into notification.fills (session_id, at_ms, side, value, fee, fee_asset)
    select "sessionId", ${nowMs}::bigint, side, value, fee, "feeAsset" from jsonb_to_recordset(${tx.sql.json(rows)})
      as f ("sessionId" text, side text, value numeric, fee numeric, "feeAsset" text)`;
}
