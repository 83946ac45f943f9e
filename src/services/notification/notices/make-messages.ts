import type { Place } from "#services/notification/place.ts";
import { type LockedRecipient, lockRecipients } from "#services/notification/recipients/recipient-store.ts";
import { DELIVER_MESSAGES } from "#services/notification/tasks.ts";
import type { Tx } from "#shared/db/db.ts";
import { readSessionNames, readSilenced } from "#shared/db/reference-rows.ts";
import type { MessageContent } from "./content.ts";
import { afterHeld, afterMessage, isKept, placeOf, type Standing } from "./hold.ts";
import { contentOf, isTold, isWanted, noticeOf, type ToldEvent } from "./notice.ts";
import { addFills, type NewHeld, type NewMessage, writeNotices } from "./notice-store.ts";

/** A recipient whose row is locked, and what the transaction makes for it. */
export class Lane {
  readonly messages: NewMessage[] = [];
  readonly held: NewHeld[] = [];
  standing: Standing;
  nextSeq: number;
  /** When it is tried again after a failure; null: it may be sent at once. */
  retryAtMs: number | null;

  constructor(
    readonly recipient: LockedRecipient,
    private readonly nowMs: number,
  ) {
    this.standing = recipient.standing;
    this.nextSeq = recipient.nextSeq;
    this.retryAtMs = recipient.retryAtMs;
  }

  /** One message more, at the end of its lane. Its id is given here, once. */
  send(content: MessageContent): NewMessage {
    const message = {
      id: Bun.randomUUIDv7(),
      recipientId: this.recipient.id,
      seq: this.nextSeq,
      content,
      createdAtMs: this.nowMs,
    };
    this.messages.push(message);
    this.nextSeq += 1;
    this.standing = afterMessage(this.standing, this.nowMs);
    return message;
  }

  /** A message, or held back, as the recipient wants it. */
  tell(content: MessageContent, laneLimit: number): void {
    const { severity } = content;
    const place = placeOf(this.recipient.preferences, this.standing, { severity, nowMs: this.nowMs, laneLimit });
    if (place.kind === "send") {
      this.send(content);
      return;
    }
    if (isKept(this.standing, severity)) this.held.push({ recipientId: this.recipient.id, content });
    this.standing = afterHeld(this.standing, place.untilMs, severity);
  }
}

/** Makes the messages of a batch of events, in its transaction: each event is told once to whom wants it. */
export async function makeMessages(tx: Tx, place: Place, events: readonly ToldEvent[]): Promise<void> {
  const { alertKinds, clock } = place.deps;
  const told = await withoutSilenced(tx, events.filter(isTold), clock.nowMs());
  const fills = told.flatMap((event) => (event.type === "order.filled" ? [event.data.fill] : []));
  if (fills.length > 0) await addFills(tx, fills, clock.nowMs());
  const sessionNames = await readSessionNames(tx.sql, [...new Set(fills.map(({ sessionId }) => sessionId))]);
  const notices = told.flatMap((event) => noticeOf(event, { alertKinds, sessionNames }) ?? []);
  if (notices.length === 0) return;
  const nowMs = clock.nowMs();
  const lanes = (await lockRecipients(tx)).map((recipient) => new Lane(recipient, nowMs));
  for (const lane of lanes) {
    const { id, preferences } = lane.recipient;
    for (const notice of notices) {
      if (isWanted(notice, { ...preferences, id }))
        lane.tell(contentOf(notice, preferences), place.settings.R3_NOTIFICATION_LANE_LIMIT);
    }
  }
  await keepLanes(tx, place, lanes);
}

/** Without the alerts that a person has silenced, nor their ends. */
async function withoutSilenced(tx: Tx, events: readonly ToldEvent[], nowMs: number): Promise<ToldEvent[]> {
  const alertOf = (event: ToldEvent) =>
    event.type === "alert.raised" || event.type === "alert.cleared" ? [event.data] : [];
  const silenced: ReadonlySet<unknown> = await readSilenced(tx.sql, events.flatMap(alertOf), nowMs);
  return events.filter(({ data }) => !silenced.has(data));
}

/**
 * Writes what was made for recipients whose rows are locked, and has it delivered. Who works a lane ends its task with the
 * row locked, where no message waits or after a failure: so a task that is open now will send these, or put them off.
 */
export async function keepLanes(tx: Tx, { deps }: Pick<Place, "deps">, lanes: readonly Lane[]): Promise<void> {
  const changed = lanes.filter(
    ({ standing, retryAtMs, recipient }) => standing !== recipient.standing || retryAtMs !== recipient.retryAtMs,
  );
  if (changed.length === 0) return;
  await writeNotices(tx, changed);
  const sending = changed.filter(({ messages, retryAtMs, recipient }) => {
    const mayBeTriedAgain = recipient.retryAtMs !== null && retryAtMs === null;
    return mayBeTriedAgain || (messages.length > 0 && retryAtMs === null);
  });
  if (sending.length === 0) return;
  const open = new Set(await deps.queue.waitingLanes(tx, DELIVER_MESSAGES, {}));
  for (const { recipient } of sending) {
    const { id } = recipient;
    if (!open.has(id)) await deps.queue.enqueue(tx, { task: DELIVER_MESSAGES, lane: id, payload: { recipientId: id } });
  }
}
