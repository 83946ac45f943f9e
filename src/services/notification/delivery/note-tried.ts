import { alerts } from "#services/notification/alerts.ts";
import { readable } from "#services/notification/notices/local-time.ts";
import { keepLanes, Lane } from "#services/notification/notices/make-messages.ts";
import { scopeOf } from "#services/notification/notices/notice.ts";
import type { Place } from "#services/notification/place.ts";
import type { LockedRecipient } from "#services/notification/recipients/recipient-store.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { afterTries, type Delivery, freshDelivery, type Told, type Tried } from "./delivery.ts";
import { type Batch, countAttempt, writeEnded } from "./message-store.ts";

/** What a lane has tried. */
export interface TriedBatch {
  /** Locked, where more comes of it than that messages were sent. */
  recipient: LockedRecipient;
  batch: Batch;
  tried: Tried;
  /** Whether the recipient has the channel yet that was tried. */
  isSameChannel: boolean;
}

/** Notes what became of messages, with the alerts that come of it, and answers how the lane gets on. */
export async function noteTried(tx: Tx, place: Place, of: TriedBatch): Promise<Delivery> {
  const { recipient, batch, tried, isSameChannel } = of;
  if (tried.ended.length === 0 && tried.failure === null) return batch.delivery;
  const nowMs = place.deps.clock.nowMs();
  const after = afterTries(batch.delivery, tried, {
    nowMs,
    downAfterMs: place.settings.R3_NOTIFICATION_DOWN_AFTER_MS,
  });
  const delivery = isSameChannel ? after.delivery : freshDelivery(after.delivery.doneSeq);
  const idOf = new Map(batch.messages.map(({ seq, id }) => [seq, id]));
  const ended = tried.ended.map(({ seq, verdict }) => ({
    id: idOf.get(seq) ?? "",
    state: verdict.kind === "sent" ? ("sent" as const) : ("dead" as const),
    error: verdict.kind === "sent" ? null : verdict.reason,
  }));
  const lastError = isSameChannel ? (tried.failure?.reason ?? ended.at(-1)?.error ?? null) : null;
  await writeEnded(tx, recipient.id, { ended, delivery, lastError, nowMs });
  const next = batch.messages[tried.ended.length];
  if (tried.failure !== null && next !== undefined) await countAttempt(tx, next.id, tried.failure.reason);
  if (!isSameChannel) return delivery;
  if (after.told.delayedSinceMs !== undefined) await sayDelayed(tx, place, of, after.told.delayedSinceMs);
  await tellOthers(tx, place, of, after.told);
  return delivery;
}

/** The recipient learns that its channel was down: behind what waits, so that the order stays. */
async function sayDelayed(tx: Tx, place: Place, { recipient, batch }: TriedBatch, sinceMs: number): Promise<void> {
  const nowMs = place.deps.clock.nowMs();
  const count = recipient.nextSeq - 1 - batch.delivery.doneSeq;
  const { timeZone } = recipient.preferences;
  const lane = new Lane(recipient, nowMs);
  lane.send({
    kind: "delayed",
    severity: "info",
    title: `${count} ${count === 1 ? "message was" : "messages were"} delayed`,
    text: `This channel took none from ${readable(sinceMs, timeZone)} to ${readable(nowMs, timeZone)}.`,
    atMs: nowMs,
    data: { count, sinceMs },
  });
  await keepLanes(tx, place, [lane]);
}

/** Alerts reach the other recipients; the one that they are about is left out. */
async function tellOthers(tx: Tx, { deps }: Place, { recipient, batch, tried }: TriedBatch, told: Told): Promise<void> {
  const { id: recipientId, name } = recipient;
  const scope = scopeOf(recipientId);
  const { NOTIFICATION_CHANNEL_DOWN: down, NOTIFICATION_REFUSED: refused } = alerts;
  if (told.down === false) await clearAlert(tx, deps, { scope, kind: down });
  if (told.down === true) {
    const text = `The channel of "${name}" takes no messages. ${tried.failure?.reason ?? ""}`;
    await raiseAlert(tx, deps, { scope, kind: down, text, data: { recipientId, name } });
  }
  if (told.refusing === false) await clearAlert(tx, deps, { scope, kind: refused });
  const dead = tried.ended.findLast(({ verdict }) => verdict.kind === "refused");
  if (told.refusing !== true || dead?.verdict.kind !== "refused") return;
  const messageId = batch.messages.find(({ seq }) => seq === dead.seq)?.id ?? "";
  const text = `The channel of "${name}" has refused a message for good. ${dead.verdict.reason}`;
  await raiseAlert(tx, deps, { scope, kind: refused, text, data: { recipientId, name, messageId } });
}
