import type { OutgoingMessage, Send, Verdict } from "#services/notification/channels/channel.ts";
import { createSend } from "#services/notification/channels/create-channels.ts";
import type { Place } from "#services/notification/place.ts";
import { lockRecipient, readRecipient, tryLockRecipient } from "#services/notification/recipients/recipient-store.ts";
import type { DELIVER_MESSAGES } from "#services/notification/tasks.ts";
import { firstOf } from "#shared/clock/within.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { storable } from "#shared/errors/storable-text.ts";
import type { LaneTx, LeasedLane, TaskOf } from "#shared/queue/queue.ts";
import { pauseMs, type Tried } from "./delivery.ts";
import { type Batch, readBatch, writeRetry } from "./message-store.ts";
import { noteTried } from "./note-tried.ts";

type DeliverTask = TaskOf<typeof DELIVER_MESSAGES>;

/** So many messages are sent before it is noted what became of them, */
const MOST_UNNOTED = 20;
/** and no more are begun once these milliseconds are over: what a kill repeats is less than that and one message. */
const UNNOTED_MS = 1_000;
/** A lane is worked for so long before others have their turn. */
const TURN_MS = 15_000;

/** The task's first step, with the lease: the messages to begin with. Null: there are none, and the task is done. */
export function takeMessages(tx: LaneTx, task: DeliverTask): Promise<Batch | null> {
  return nextBatch(tx, task);
}

/**
 * Sends what waits for a recipient, in order. Nothing is held while a channel is asked: before and after it there is a step, which
 * the lane's epoch fences. A channel that fails puts its own lane off, and no other one.
 */
export async function deliverMessages(
  place: Place,
  { lane, task, first }: { lane: LeasedLane; task: DeliverTask; first: Batch },
): Promise<void> {
  const { clock } = place.deps;
  const turnEndsMs = clock.monotonicMs() + TURN_MS;
  let batch: Batch | null = first;
  while (batch !== null) {
    const sent: Batch = batch;
    const tried = await sendBatch(place, sent, lane.signal);
    const isOver = place.stopping.aborted || clock.monotonicMs() >= turnEndsMs;
    batch = await lane.step((tx) => endBatch(tx, place, { task, batch: sent, tried, isOver }));
  }
}

/** Notes what became of messages and gives the next ones. Null: the task is done, or put off. */
async function endBatch(
  tx: LaneTx,
  place: Place,
  { task, batch, tried, isOver }: { task: DeliverTask; batch: Batch; tried: Tried; isOver: boolean },
): Promise<Batch | null> {
  // It is not waited for without need: a lane whose row is locked for long cannot extend its lease.
  const find = needsRecipient(batch, tried) ? lockRecipient : readRecipient;
  const recipient = await find(tx, task.payload.recipientId);
  if (recipient === null) {
    tx.complete(task, { state: "no recipient" });
    return null;
  }
  // What another channel did says nothing of this one.
  const isSameChannel = recipient.channelVersion === batch.channelVersion;
  const { failures } = await noteTried(tx, place, { recipient, batch, tried, isSameChannel });
  if (tried.failure !== null && isSameChannel) {
    const firstMs = place.settings.R3_NOTIFICATION_RETRY_MS;
    const delayMs = pauseMs({ failures, firstMs }, tried.failure.retryAfterMs, Math.random());
    await writeRetry(tx, recipient.id, place.deps.clock.nowMs() + delayMs);
    tx.complete(task, { state: "the channel has failed", retryInMs: delayMs });
    return null;
  }
  const next = await nextBatch(tx, task);
  if (next === null || !isOver) return next;
  tx.retryIn(task, 0);
  return null;
}

/** Whether more comes of it than that messages were sent: what else is written of a recipient is written with its row locked. */
function needsRecipient({ messages, delivery }: Batch, { ended, failure }: Tried): boolean {
  const hasRefused = ended.some(({ verdict }) => verdict.kind === "refused");
  return messages.length === 0 || failure !== null || hasRefused || delivery.isDown || delivery.isRefusing;
}

/**
 * The next messages. Null: none waits, and the task is done. That is decided with the recipient locked: who makes a message locks it
 * too, and finds the task either open or done. Where someone holds it just now there is a batch without messages: the next step
 * waits for the recipient.
 */
async function nextBatch(tx: LaneTx, task: DeliverTask): Promise<Batch | null> {
  const { recipientId } = task.payload;
  const batch = await readBatch(tx, recipientId, MOST_UNNOTED);
  if (batch !== null && batch.messages.length > 0) return batch;
  if (batch !== null) {
    if ((await tryLockRecipient(tx, recipientId)) === null) return batch;
    const again = await readBatch(tx, recipientId, MOST_UNNOTED);
    if (again !== null && again.messages.length > 0) return again;
  }
  tx.complete(task, { state: batch === null ? "no recipient" : "all sent" });
  return null;
}

/** Sends one after the other, until one fails, time is up, or the lane is lost or left. */
async function sendBatch({ deps, settings, stopping }: Place, batch: Batch, lost: AbortSignal): Promise<Tried> {
  const send = createSend(batch.channel, settings, deps.clock);
  const untilMs = deps.clock.monotonicMs() + UNNOTED_MS;
  const ending = firstOf([lost, stopping]);
  const ended: Tried["ended"] = [];
  try {
    for (const message of batch.messages) {
      if (ending.signal.aborted || deps.clock.monotonicMs() >= untilMs) break;
      const verdict = await verdictOf(send, message, ending.signal);
      if (verdict.kind !== "later") ended.push({ seq: message.seq, verdict });
      else return { ended, failure: ending.signal.aborted ? null : verdict };
    }
  } finally {
    ending.release();
  }
  return { ended, failure: null };
}

/** A channel does not throw; one that does all the same delays its own lane. */
async function verdictOf(send: Send, message: OutgoingMessage, signal: AbortSignal): Promise<Verdict> {
  try {
    return await send(message, signal);
  } catch (error) {
    return { kind: "later", reason: `It could not be sent: ${storable(messageOf(error))}`, retryAfterMs: null };
  }
}
