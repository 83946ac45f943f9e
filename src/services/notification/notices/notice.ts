import type { ToldAlert } from "#services/notification/alerts/told-alerts.ts";
import { cut } from "#services/notification/channels/channel.ts";
import type { Preferences } from "#services/notification/recipients/recipient.ts";
import { type AlertKinds, type Severity, toDoOf } from "#shared/alerts/alert-kinds.ts";
import type { EventOf } from "#shared/bus/bus.ts";
import type { ALERTS, ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import type { MessageContent } from "./content.ts";
import { readable } from "./local-time.ts";
import { render, TEMPLATES, type TemplateKind } from "./templates.ts";

/** An event of what people are told. */
export type ToldEvent = EventOf<typeof ALERTS | typeof ORDERS | typeof SESSIONS>;

/** One of them that is of an alert. */
export type AlertEvent = EventOf<typeof ALERTS>;

/** Something to tell, before it is known to whom. */
export interface Notice extends Pick<MessageContent, "kind" | "severity" | "title" | "atMs" | "data"> {
  /** What of a recipient's preferences it needs. */
  event: Preferences["events"][number];
  /** The session that it is of; null: of none. */
  sessionId: string | null;
  /** The recipient whose own channel it is about: that one is not told. Null: it is about none. */
  aboutRecipient: string | null;
  /** Ids of the recipients that are told, whatever they want by now. Null: whoever wants it. */
  onlyTo: readonly string[] | null;
  template: TemplateKind;
  /** What the names of the template stand for, but for the time. */
  values: Record<string, string>;
}

/** What a notice needs to know besides its event. */
export interface Known {
  /** Names of sessions by their ids. */
  sessionNames: ReadonlyMap<string, string>;
}

const MOST_TITLE = 200;

/** Whether an event is told of at all: not the changes of an order beside its fills, nor of a session that keep its state. */
export function isTold(event: ToldEvent): boolean {
  switch (event.type) {
    case "alert.raised":
    case "alert.cleared":
    case "order.filled":
      return true;
    case "order.changed":
      return false;
    case "session.changed":
      return event.data.from !== event.data.session.state;
  }
}

/** Whether an event is of an alert. */
export function isOfAlert(event: ToldEvent): event is AlertEvent {
  return event.type === "alert.raised" || event.type === "alert.cleared";
}

/** What an event tells that is not of an alert. Null: nothing. */
export function noticeOf(event: Exclude<ToldEvent, AlertEvent>, known: Known): Notice | null {
  switch (event.type) {
    case "order.filled":
      return ofFill(event.data, known);
    case "session.changed":
      return isTold(event) ? ofSession(event.data) : null;
    case "order.changed":
      return null;
  }
}

type DataOf<Type extends ToldEvent["type"]> = Extract<ToldEvent, { type: Type }>["data"];

/** That an alert is raised. */
export function alertNotice(alert: DataOf<"alert.raised">, alertKinds: AlertKinds): Notice {
  const { scope, code, severity, text, atMs, data } = alert;
  return {
    ...ofScope(scope),
    kind: "alert",
    onlyTo: null,
    severity,
    title: title(`${severity}: ${code} (${scope})`),
    template: "alert",
    values: { severity, code, scope, text, toDo: toDoOf(alertKinds[code], data) },
    atMs,
    data: { ...data, scope, code },
  };
}

/** That an alert is over, for those who were told of it. It wakes nobody up. */
export function alertOverNotice({ scope, code, severity, told }: ToldAlert, atMs: number): Notice {
  return {
    ...ofScope(scope),
    kind: "alert-over",
    onlyTo: told,
    severity: "info",
    title: title(`Over: ${code} (${scope})`),
    template: "alertOver",
    values: { severity, code, scope },
    atMs,
    data: { scope, code },
  };
}

function ofFill({ order, fill }: DataOf<"order.filled">, { sessionNames }: Known): Notice {
  const { sessionId, side, size, instrumentId, price, fee, feeAsset, atMs } = fill;
  const session = sessionNames.get(sessionId) ?? sessionId;
  const { state, filledSize } = order;
  return {
    event: "fills",
    aboutRecipient: null,
    onlyTo: null,
    kind: "fill",
    severity: "info",
    sessionId,
    title: title(`${side} ${size} ${instrumentId} at ${price} (${session})`),
    template: "fill",
    values: {
      session,
      sessionId,
      side,
      size,
      instrument: instrumentId,
      price,
      fee,
      feeAsset,
      orderState: state,
      filled: filledSize,
      orderSize: order.size,
    },
    atMs,
    data: { ...fill, orderState: state, filledSize, orderSize: order.size },
  };
}

function ofSession({ from, session }: DataOf<"session.changed">): Notice {
  const { id, name, state, stateReason, strategy, instrumentIds, accountId, updatedAtMs, run } = session;
  const severity = state === "FAULTED" ? "critical" : "info";
  return {
    event: "sessions",
    aboutRecipient: null,
    onlyTo: null,
    kind: "session",
    severity,
    sessionId: id,
    title: title(`${name}: ${from === null ? state : `${from} → ${state}`}`),
    template: "session",
    values: {
      session: name,
      sessionId: id,
      from: from ?? "",
      to: state,
      reason: stateReason ?? "",
      strategy,
      instrument: instrumentIds.join(", "),
    },
    atMs: updatedAtMs,
    data: { sessionId: id, name, from, to: state, reason: stateReason, accountId, run },
  };
}

/** An alert's scope names what it is about. */
function ofScope(scope: string): Pick<Notice, "event" | "sessionId" | "aboutRecipient"> {
  const [kind, id = ""] = scope.split(/:(.*)/s);
  return {
    event: "alerts",
    sessionId: kind === "session" ? id : null,
    aboutRecipient: kind === RECIPIENT ? id : null,
  };
}

const RECIPIENT = "recipient";

/** The scope of alerts about a recipient's channel. */
export function scopeOf(recipientId: string): string {
  return `${RECIPIENT}:${recipientId}`;
}

function title(text: string): string {
  return cut(text.replaceAll(/\s+/g, " ").trim(), MOST_TITLE);
}

const RANKS: readonly Severity[] = ["info", "warning", "critical"];

/** Whether a recipient wants to be told, or has to be. */
export function isWanted(notice: Notice, of: Preferences & { id: string }): boolean {
  const { event, sessionId, aboutRecipient, onlyTo, severity } = notice;
  if (onlyTo !== null) return onlyTo.includes(of.id);
  if (aboutRecipient === of.id || !of.events.includes(event)) return false;
  if (sessionId !== null && of.sessionIds !== null && !of.sessionIds.includes(sessionId)) return false;
  return event !== "alerts" || RANKS.indexOf(severity) >= RANKS.indexOf(of.minSeverity);
}

/** What a recipient is told, in its words and by its clocks. */
export function contentOf(notice: Notice, { templates, timeZone }: Preferences): MessageContent {
  const { kind, severity, template, values, atMs, data } = notice;
  const text = render(templates[template] ?? TEMPLATES[template].text, {
    ...values,
    time: readable(atMs, timeZone),
  });
  return { kind, severity, title: notice.title, text, atMs, data };
}
