import { alerts } from "#services/notification/alerts.ts";
import { NO_MAIL_SERVER } from "#services/notification/channels/create-channels.ts";
import { resetDelivery } from "#services/notification/delivery/message-store.ts";
import { heldUntil } from "#services/notification/notices/hold.ts";
import { nextAt } from "#services/notification/notices/local-time.ts";
import { keepLanes, Lane } from "#services/notification/notices/make-messages.ts";
import { scopeOf } from "#services/notification/notices/notice.ts";
import type { Place } from "#services/notification/place.ts";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { invalidInput } from "#shared/errors/field-error.ts";
import { checkIfMatch, requireIfMatch } from "#shared/http/versions.ts";
import { type ChannelInput, viewOf } from "./channel-input.ts";
import { type ChangeRecipient, type CreateRecipient, type Preferences, preferencesSchema } from "./recipient.ts";
import {
  countRecipients,
  deleteRecipient,
  insertRecipient,
  isNameTaken,
  type LockedRecipient,
  lockNames,
  lockRecipient,
  updateRecipient,
} from "./recipient-store.ts";

/** Each event is told to all of them in one transaction. */
export const MOST_RECIPIENTS = 200;

/** Makes a recipient and answers its id. INVALID_INPUT (422) for a channel that cannot be used here; CONFLICT (409) for a name that is taken. */
export async function createRecipient(
  place: Place,
  { name, channel, ...preferences }: CreateRecipient,
): Promise<string> {
  const { db, clock } = place.deps;
  refuseUnusable(place, channel);
  const id = Bun.randomUUIDv7();
  const atMs = clock.nowMs();
  await db.transaction(async (tx) => {
    if ((await countRecipients(tx)) >= MOST_RECIPIENTS)
      throw new AppError(
        "CONFLICT",
        "permanent",
        `There are ${MOST_RECIPIENTS} recipients, which is all there may be: delete one.`,
      );
    const row = { id, name, channel: viewOf(channel), preferences, version: 1, atMs };
    if (!(await insertRecipient(tx, { ...row, summaryAtMs: summaryAt(preferences, atMs) }, channel))) throw nameTaken();
  });
  return id;
}

/** Changes a recipient. What is held is told when the new preferences say. Another channel is tried at once, and what was said of the one before is over. */
export async function changeRecipient(
  place: Place,
  { id, ifMatch }: { id: string; ifMatch: string | undefined },
  { name, channel, ...change }: ChangeRecipient,
): Promise<void> {
  const { db, clock } = place.deps;
  if (channel !== undefined) refuseUnusable(place, channel);
  await db.transaction(async (tx) => {
    if (name !== undefined) await lockNames(tx);
    const before = await lockedOf(tx, id, ifMatch);
    if (name !== undefined && (await isNameTaken(tx, name, id))) throw nameTaken();
    const preferences = preferencesSchema.parse({ ...before.preferences, ...given(change) });
    const atMs = clock.nowMs();
    const isOtherTime =
      preferences.dailySummaryAt !== before.preferences.dailySummaryAt ||
      preferences.timeZone !== before.preferences.timeZone;
    const row = {
      id,
      name: name ?? before.name,
      channel: channel === undefined ? before.channel : viewOf(channel),
      preferences,
      version: before.version + 1,
      summaryAtMs: isOtherTime ? summaryAt(preferences, atMs) : before.summaryAtMs,
      atMs,
    };
    await updateRecipient(tx, row, channel ?? null);
    await clearAlert(tx, place.deps, { scope: scopeOf(id), kind: alerts.NOTIFICATION_UNREADABLE });
    const lane = new Lane(before, atMs);
    const laneLimit = place.settings.R3_NOTIFICATION_LANE_LIMIT;
    const releaseAtMs = heldUntil(preferences, before.standing, { nowMs: atMs, laneLimit });
    if (releaseAtMs !== before.standing.releaseAtMs) lane.standing = { ...before.standing, releaseAtMs };
    if (channel === undefined) {
      await keepLanes(tx, place, [lane]);
      return;
    }
    await resetDelivery(tx, id);
    await tryNow(tx, place, lane);
    await endAlerts(tx, place, id);
  });
}

/** A lane that waits after a failure is not to wait any longer. */
async function tryNow(tx: Tx, place: Place, lane: Lane): Promise<void> {
  lane.retryAtMs = null;
  await keepLanes(tx, place, [lane]);
}

/** Deletes a recipient with all that waits for it. What is under way may still arrive. */
export async function removeRecipient(
  place: Place,
  { id, ifMatch }: { id: string; ifMatch: string | undefined },
): Promise<void> {
  await place.deps.db.transaction(async (tx) => {
    await lockedOf(tx, id, ifMatch);
    await deleteRecipient(tx, id);
    await endAlerts(tx, place, id);
  });
}

/**
 * Puts a test message at the end of the recipient's lane, whatever its preferences say, and has the lane tried at once. Answers the
 * message's id and number. CONFLICT (409) where too many wait.
 */
export async function sendTest(place: Place, id: string): Promise<{ id: string; seq: number }> {
  const { db, clock } = place.deps;
  return db.transaction(async (tx) => {
    const recipient = (await lockRecipient(tx, id)) ?? notFound();
    const nowMs = clock.nowMs();
    if (recipient.standing.waiting >= place.settings.R3_NOTIFICATION_LANE_LIMIT)
      throw new AppError(
        "CONFLICT",
        "permanent",
        "Too many messages wait for this recipient: its channel takes none. GET says why.",
      );
    const lane = new Lane(recipient, nowMs);
    const message = lane.send({
      kind: "test",
      severity: "info",
      title: `A test message for ${recipient.name}`,
      text: "Somebody asked for it. Nothing has happened.",
      atMs: nowMs,
      data: {},
    });
    await tryNow(tx, place, lane);
    return message;
  });
}

async function lockedOf(tx: Tx, id: string, ifMatch: string | undefined): Promise<LockedRecipient> {
  const recipient = (await lockRecipient(tx, id)) ?? notFound();
  requireIfMatch(ifMatch);
  checkIfMatch(recipient, ifMatch);
  return recipient;
}

async function endAlerts(tx: Tx, { deps }: Place, id: string): Promise<void> {
  for (const kind of Object.values(alerts)) await clearAlert(tx, deps, { scope: scopeOf(id), kind });
}

function refuseUnusable({ settings }: Place, channel: ChannelInput): void {
  if (channel.type !== "email" || settings.R3_NOTIFICATION_SMTP_URL !== undefined) return;
  throw invalidInput([{ field: "channel.type", message: "cannot be email here" }], NO_MAIL_SERVER);
}

function summaryAt({ dailySummaryAt, timeZone }: Preferences, nowMs: number): number | null {
  return dailySummaryAt === null ? null : nextAt(dailySummaryAt, timeZone, nowMs);
}

function given<Change extends object>(change: Change): Partial<Change> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<Change>;
}

function nameTaken(): AppError {
  return new AppError("CONFLICT", "permanent", "Another recipient has this name: choose another one.");
}

/** NOT_FOUND (404). */
export function notFound(): never {
  throw new AppError("NOT_FOUND", "permanent", "There is no such recipient.");
}
