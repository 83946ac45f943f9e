import type { OutgoingMessage } from "#services/notification/channels/channel.ts";
import { contentSchema } from "#services/notification/notices/content.ts";
import type { ChannelInput } from "#services/notification/recipients/channel-input.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Delivery } from "./delivery.ts";
import type { Message } from "./message.ts";

/** What a lane has to send next, and how it gets on. */
export interface Batch {
  channel: ChannelInput;
  /** Grows with each change of the channel. */
  channelVersion: number;
  delivery: Delivery;
  messages: OutgoingMessage[];
}

interface BatchRow extends Delivery, Pick<Batch, "channel" | "channelVersion"> {}

/** The next messages of a recipient, in order. Null: there is no such recipient any more. The caller holds its lane. */
export async function readBatch(tx: Tx, recipientId: string, limit: number): Promise<Batch | null> {
  const [row] = await tx.sql<BatchRow[]>`
    select s.secrets as channel, r.channel_version as "channelVersion", d.done_seq as "doneSeq", d.failures, d.failing_since_ms as "failingSinceMs",
      d.is_down as "isDown", d.is_refusing as "isRefusing"
    from notification.recipients r join notification.secrets s on s.recipient_id = r.id
      join notification.deliveries d on d.recipient_id = r.id
    where r.id = ${recipientId}`;
  if (row === undefined) return null;
  const { channel, channelVersion, ...delivery } = row;
  const rows = await tx.sql<{ id: string; seq: number; content: unknown }[]>`
    select id, seq, content from notification.messages
    where recipient_id = ${recipientId} and seq > ${delivery.doneSeq} order by seq limit ${limit}`;
  const messages = rows.map(({ id, seq, content }) => ({
    id,
    recipientId,
    seq,
    content: contentSchema.parse(content),
  }));
  return { channel, channelVersion, delivery, messages };
}

/** What became of a message. */
export interface Ended {
  id: string;
  state: "sent" | "dead";
  error: string | null;
}

/** Notes what became of messages, and how the lane gets on. */
export async function writeEnded(
  tx: Tx,
  recipientId: string,
  {
    ended,
    delivery,
    lastError,
    nowMs,
  }: { ended: readonly Ended[]; delivery: Delivery; lastError: string | null; nowMs: number },
): Promise<void> {
  const { sql } = tx;
  const sent = ended.filter(({ state }) => state === "sent").length;
  const { doneSeq, failures, failingSinceMs, isDown, isRefusing } = delivery;
  await sql`
    update notification.deliveries set done_seq = ${doneSeq}, failures = ${failures}, failing_since_ms = ${failingSinceMs},
      is_down = ${isDown}, is_refusing = ${isRefusing}, last_error = ${lastError}, sent_count = sent_count + ${sent},
      dead_count = dead_count + ${ended.length - sent},
      last_sent_at_ms = case when ${sent} > 0 then ${nowMs}::bigint else last_sent_at_ms end
    where recipient_id = ${recipientId}`;
  if (ended.length > 0)
    await sql`
      update notification.messages m set state = e.state, error = e.error, attempts = attempts + 1, ended_at_ms = ${nowMs}
      from jsonb_to_recordset(${sql.json(ended as never)}) as e (id uuid, state text, error text) where m.id = e.id`;
}

/** One try more of a message that still waits. */
export async function countAttempt(tx: Tx, id: string, error: string): Promise<void> {
  await tx.sql`update notification.messages set attempts = attempts + 1, error = ${error} where id = ${id}`;
}

/** Puts a lane off, whose recipient is locked, after a failure. */
export async function writeRetry(tx: Tx, recipientId: string, retryAtMs: number): Promise<void> {
  await tx.sql`update notification.recipients set retry_at_ms = ${retryAtMs} where id = ${recipientId}`;
}

/** Ends what a lane says of itself, once its channel is another one. */
export async function resetDelivery(tx: Tx, recipientId: string): Promise<void> {
  await tx.sql`
    update notification.deliveries set failures = 0, failing_since_ms = null, last_error = null, is_down = false,
      is_refusing = false
    where recipient_id = ${recipientId}`;
}

interface MessageRow extends Omit<Message, "kind" | "severity" | "title" | "text" | "atMs" | "data"> {
  content: unknown;
}

/** Where a page of messages begins: before this number. */
export type MessagesBefore = [seq: number];

/** Messages of a recipient, newest first. */
export async function listMessages(
  sql: Sql,
  { recipientId, state }: { recipientId: string; state: Message["state"] | undefined },
  before: MessagesBefore | null,
  limit: number,
): Promise<Message[]> {
  // For their index.
  const isUnsent = state === "waiting" || state === "dead";
  const rows = await sql<MessageRow[]>`
    select id, recipient_id as "recipientId", seq, content, state, attempts, error, created_at_ms as "createdAtMs",
      ended_at_ms as "endedAtMs"
    from notification.messages
    where recipient_id = ${recipientId} ${before === null ? sql`` : sql`and seq < ${before[0]}`}
      ${state === undefined ? sql`` : sql`and state = ${state}`} ${isUnsent ? sql`and state <> 'sent'` : sql``}
    order by seq desc limit ${limit}`;
  return rows.map(({ content, ...row }) => ({ ...row, ...contentSchema.parse(content) }));
}
