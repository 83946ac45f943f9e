import type { Standing } from "#services/notification/notices/hold.ts";
import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { ChannelInput, ChannelView } from "./channel-input.ts";
import { type Preferences, type Recipient, readPreferences } from "./recipient.ts";

/** A recipient as a transaction needs it, mostly with its row locked to the end. */
export interface LockedRecipient {
  id: string;
  name: string;
  channel: ChannelView;
  preferences: Preferences;
  version: number;
  channelVersion: number;
  nextSeq: number;
  standing: Standing;
  /** When its lane is tried again after a failure; null: there is nothing to wait for. */
  retryAtMs: number | null;
  summaryAtMs: number | null;
  summarizedAtMs: number;
  createdAtMs: number;
}

interface LockedRow extends Omit<LockedRecipient, "standing" | "preferences">, Omit<Standing, "waiting"> {
  preferences: unknown;
  doneSeq: number;
}

function lockedOf(row: LockedRow): LockedRecipient {
  const { heldCount, heldCritical, releaseAtMs, throttleMinute, throttleCount, doneSeq, preferences, ...rest } = row;
  const waiting = rest.nextSeq - 1 - doneSeq;
  const standing = { heldCount, heldCritical, releaseAtMs, throttleMinute, throttleCount, waiting };
  return { ...rest, preferences: readPreferences(preferences).preferences, standing };
}

const locked = (sql: Sql) => sql`
  select r.id, name, channel, preferences, version, channel_version as "channelVersion",
    next_seq as "nextSeq", held_count as "heldCount", held_critical as "heldCritical",
    release_at_ms as "releaseAtMs", throttle_minute as "throttleMinute", throttle_count as "throttleCount", retry_at_ms as "retryAtMs",
    summary_at_ms as "summaryAtMs", summarized_at_ms as "summarizedAtMs", created_at_ms as "createdAtMs",
    d.done_seq as "doneSeq"
  from notification.recipients r join notification.deliveries d on d.recipient_id = r.id`;

/** All recipients, locked in the order of their ids. */
export async function lockRecipients(tx: Tx): Promise<LockedRecipient[]> {
  const rows = await tx.sql<LockedRow[]>`${locked(tx.sql)} order by r.id for no key update of r`;
  return rows.map(lockedOf);
}

/** One of them. Null: there is none. */
export async function lockRecipient(tx: Tx, id: string): Promise<LockedRecipient | null> {
  const [row] = await tx.sql<LockedRow[]>`${locked(tx.sql)} where r.id = ${id} for no key update of r`;
  return row === undefined ? null : lockedOf(row);
}

/** The same without waiting. Null also: someone else holds it. */
export async function tryLockRecipient(tx: Tx, id: string): Promise<LockedRecipient | null> {
  const [row] = await tx.sql<LockedRow[]>`${locked(tx.sql)} where r.id = ${id} for no key update of r skip locked`;
  return row === undefined ? null : lockedOf(row);
}

/** The same as it is, without locking it. */
export async function readRecipient(tx: Tx, id: string): Promise<LockedRecipient | null> {
  const [row] = await tx.sql<LockedRow[]>`${locked(tx.sql)} where r.id = ${id}`;
  return row === undefined ? null : lockedOf(row);
}

/** Recipients with preferences that cannot be read, and the names of these. */
export async function listUnreadable({ sql }: Tx): Promise<{ id: string; name: string; unreadable: string[] }[]> {
  const rows = await sql<{ id: string; name: string; preferences: unknown }[]>`
    select id, name, preferences from notification.recipients order by id`;
  return rows.flatMap(({ preferences, ...row }) => {
    const { unreadable } = readPreferences(preferences);
    return unreadable.length > 0 ? [{ ...row, unreadable }] : [];
  });
}

/** Keeps one creation from passing the limit beside another one. Null: there are too many. */
export async function countRecipients(tx: Tx): Promise<number> {
  await tx.sql`lock table notification.recipients in share row exclusive mode`;
  const [row] = await tx.sql<{ count: number }[]>`select count(*)::integer as count from notification.recipients`;
  return row?.count ?? 0;
}

/** A recipient as it is written. */
export interface RecipientRow {
  id: string;
  name: string;
  channel: ChannelView;
  preferences: Preferences;
  version: number;
  summaryAtMs: number | null;
  atMs: number;
}

/** False: the name is taken. */
export async function insertRecipient(tx: Tx, row: RecipientRow, secrets: ChannelInput): Promise<boolean> {
  const { id, name, channel, preferences, version, summaryAtMs, atMs } = row;
  const { sql } = tx;
  const inserted = await sql`
    insert into notification.recipients
      (id, name, channel, preferences, version, summary_at_ms, summarized_at_ms, created_at_ms, updated_at_ms)
    values (${id}, ${name}, ${sql.json({ ...channel })}, ${sql.json(preferences as never)}, ${version}, ${summaryAtMs},
      ${atMs}, ${atMs}, ${atMs})
    on conflict (name) do nothing returning 1`;
  if (inserted.length === 0) return false;
  await sql`insert into notification.secrets (recipient_id, secrets) values (${id}, ${sql.json(secrets)})`;
  await sql`insert into notification.deliveries (recipient_id) values (${id})`;
  return true;
}

/** Keeps others from taking a name at the same time, before any row is locked. Nobody who only tells is kept waiting. */
export async function lockNames(tx: Tx): Promise<void> {
  await tx.sql`lock table notification.recipients in share update exclusive mode`;
}

/** Whether another recipient has a name. The caller has locked the names. */
export async function isNameTaken(tx: Tx, name: string, id: string): Promise<boolean> {
  const rows = await tx.sql`select 1 from notification.recipients where name = ${name} and id <> ${id}`;
  return rows.length > 0;
}

/** Writes a recipient that is locked. `secrets` where its channel is another one now. */
export async function updateRecipient(tx: Tx, row: RecipientRow, secrets: ChannelInput | null): Promise<void> {
  const { id, name, channel, preferences, version, summaryAtMs, atMs } = row;
  const { sql } = tx;
  await sql`
    update notification.recipients set name = ${name}, channel = ${sql.json({ ...channel })},
      preferences = ${sql.json(preferences as never)}, version = ${version}, summary_at_ms = ${summaryAtMs},
      updated_at_ms = ${atMs}
    where id = ${id}`;
  if (secrets === null) return;
  await sql`update notification.recipients set channel_version = channel_version + 1 where id = ${id}`;
  await sql`update notification.secrets set secrets = ${sql.json(secrets)} where recipient_id = ${id}`;
}

/** Messages of a recipient that go at once; a statement has its time. */
const MOST_DELETED = 10_000;

/** What is held and what waits goes with it; of very many messages the rest later (`deleteLeft`). */
export async function deleteRecipient(tx: Tx, id: string): Promise<void> {
  await tx.sql`delete from notification.recipients where id = ${id}`;
  if (await deleteMessages(tx, id)) return;
  await tx.sql`insert into notification.deleted_recipients (id) values (${id})`;
}

/** Deletes messages that recipients have left, some of each in a transaction. */
export async function deleteLeft(db: Db): Promise<void> {
  for (const { id } of await db.sql<{ id: string }[]>`select id from notification.deleted_recipients`) {
    let isOver = false;
    while (!isOver)
      isOver = await db.transaction(async (tx) => {
        if (!(await deleteMessages(tx, id))) return false;
        await tx.sql`delete from notification.deleted_recipients where id = ${id}`;
        return true;
      });
  }
}

/** True: those were all. */
async function deleteMessages({ sql }: Tx, id: string): Promise<boolean> {
  const { count } = await sql`
    delete from notification.messages where id in (
      select id from notification.messages where recipient_id = ${id} limit ${MOST_DELETED})`;
  return count < MOST_DELETED;
}

interface ViewRow extends Omit<Recipient, keyof Preferences> {
  preferences: unknown;
}

const views = (sql: Sql) => sql`
  select r.id, name, channel, preferences, version, held_count as held, r.next_seq - 1 - d.done_seq as waiting,
    d.sent_count as sent, d.dead_count as dead, d.last_sent_at_ms as "lastSentAtMs",
    d.failing_since_ms as "failingSinceMs", d.last_error as "lastError", created_at_ms as "createdAtMs",
    updated_at_ms as "updatedAtMs"
  from notification.recipients r join notification.deliveries d on d.recipient_id = r.id`;

function viewOf({ preferences, ...rest }: ViewRow): Recipient {
  return { ...rest, ...readPreferences(preferences).preferences };
}

/** A recipient for people to see. Null: there is none. */
export async function findRecipient(sql: Sql, id: string): Promise<Recipient | null> {
  const [row] = await sql<ViewRow[]>`${views(sql)} where r.id = ${id}`;
  return row === undefined ? null : viewOf(row);
}

/** In the order of their names, after the one given. */
export async function listRecipients(sql: Sql, after: string, limit: number): Promise<Recipient[]> {
  const rows = await sql<ViewRow[]>`${views(sql)} where name > ${after} order by name limit ${limit}`;
  return rows.map(viewOf);
}
