import { lockAlerts, lockUnheard, writeAlerts } from "#services/notification/alerts/told-alert-store.ts";
import {
  type AlertKey,
  afterOver,
  afterRaised,
  afterTold,
  ToldAlerts,
} from "#services/notification/alerts/told-alerts.ts";
import type { Place } from "#services/notification/place.ts";
import { type LockedRecipient, lockRecipients } from "#services/notification/recipients/recipient-store.ts";
import { DELIVER_MESSAGES } from "#services/notification/tasks.ts";
import type { Tx } from "#shared/db/db.ts";
import { readSessionNames, readSilenced } from "#shared/db/reference-rows.ts";
import type { MessageContent } from "./content.ts";
import { afterHeld, afterMessage, isKept, placeOf, type Standing } from "./hold.ts";
import {
  type AlertEvent,
  alertNotice,
  alertOverNotice,
  contentOf,
  isOfAlert,
  isTold,
  isWanted,
  type Notice,
  noticeOf,
  type ToldEvent,
} from "./notice.ts";
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
  const { clock } = place.deps;
  const told = events.filter(isTold);
  if (told.length === 0) return;
  const fills = told.flatMap((event) => (event.type === "order.filled" ? [event.data.fill] : []));
  if (fills.length > 0) await addFills(tx, fills, clock.nowMs());
  const sessionNames = await readSessionNames(tx.sql, [...new Set(fills.map(({ sessionId }) => sessionId))]);
  const lanes = await lockLanes(tx, place);
  const alertEvents = told.flatMap((event) => (isOfAlert(event) ? [event] : []));
  const known = await readAlerts(tx, alertEvents, clock.nowMs());
  for (const event of told) {
    if (isOfAlert(event)) tellAlert(event, { place, lanes, ...known });
    else tellAll(place, lanes, noticeOf(event, { sessionNames }));
  }
  await writeAlerts(tx, known.alerts);
  await keepLanes(tx, place, lanes);
}

async function lockLanes(tx: Tx, { deps }: Place): Promise<Lane[]> {
  const recipients = await lockRecipients(tx);
  const nowMs = deps.clock.nowMs();
  return recipients.map((recipient) => new Lane(recipient, nowMs));
}

/** Tells whom wants it, or has to be told, and answers their ids. */
function tellAll({ settings }: Place, lanes: readonly Lane[], notice: Notice | null): string[] {
  if (notice === null) return [];
  return lanes.flatMap((lane) => {
    const { id, preferences } = lane.recipient;
    if (!isWanted(notice, { ...preferences, id })) return [];
    lane.tell(contentOf(notice, preferences), settings.R3_NOTIFICATION_LANE_LIMIT);
    return [id];
  });
}

/** What is known of the alerts of a transaction: what was told of them, and of which nobody is to be told now. */
interface KnownAlerts {
  alerts: ToldAlerts;
  silenced: ReadonlySet<AlertKey>;
}

async function readAlerts(tx: Tx, events: readonly AlertEvent[], nowMs: number): Promise<KnownAlerts> {
  if (events.length === 0) return { alerts: new ToldAlerts([]), silenced: new Set() };
  const keys = events.map(({ data }) => data);
  const alerts = new ToldAlerts(await lockAlerts(tx, keys));
  return { alerts, silenced: await readSilenced<AlertKey>(tx.sql, keys, nowMs) };
}

/** Nobody is told of an alert that a person has silenced, nor of its end, before the silence is over. */
function tellAlert(
  { type, data }: AlertEvent,
  { place, lanes, alerts, silenced }: KnownAlerts & { place: Place; lanes: readonly Lane[] },
): void {
  const before = alerts.get(data);
  const isSilenced = silenced.has(data);
  if (type === "alert.raised") {
    const raised = afterRaised(before, data, isSilenced);
    const notice = isSilenced ? null : alertNotice(data, place.deps.alertKinds);
    const told = tellAll(place, lanes, notice);
    alerts.put(data, isSilenced ? raised : afterTold(raised, told));
  } else if (before !== undefined) {
    if (!isSilenced) tellAll(place, lanes, alertOverNotice(before, data.atMs));
    alerts.put(data, afterOver(before, data.atMs, isSilenced));
  }
}

/** Tells what nobody was told of while it was silenced: of an alert that is open, and of the end of one that people know of. */
export async function tellUnheard(tx: Tx, place: Place): Promise<void> {
  const { clock, alertKinds } = place.deps;
  const lanes = await lockLanes(tx, place);
  const unheard = await lockUnheard(tx, clock.nowMs());
  const alerts = new ToldAlerts(unheard);
  for (const { text, data, ...alert } of unheard) {
    if (alert.overAtMs !== null) {
      tellAll(place, lanes, alertOverNotice(alert, alert.overAtMs));
      alerts.put(alert, null);
    } else if (text !== null && data !== null) {
      const told = tellAll(place, lanes, alertNotice({ ...alert, text, data, atMs: alert.raisedAtMs }, alertKinds));
      alerts.put(alert, afterTold(alert, told));
    }
  }
  await writeAlerts(tx, alerts);
  await keepLanes(tx, place, lanes);
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
