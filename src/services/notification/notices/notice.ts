import { cut } from "#services/notification/channels/channel.ts";
import type { Preferences } from "#services/notification/recipients/recipient.ts";
import type { AlertKinds, Severity } from "#shared/alerts/alert-kinds.ts";
import type { EventOf } from "#shared/bus/bus.ts";
import type { ALERTS, ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import type { MessageContent } from "./content.ts";
import { readable } from "./local-time.ts";
import { render, TEMPLATES, type TemplateKind } from "./templates.ts";

/** An event of what people are told. */
export type ToldEvent = EventOf<typeof ALERTS | typeof ORDERS | typeof SESSIONS>;

/** Something to tell, before it is known to whom. */
export interface Notice extends Pick<MessageContent, "kind" | "severity" | "title" | "atMs" | "data"> {
  /** What the least severity of a recipient is compared with: that of the alert, also where it is over. */
  rank: Severity;
  /** What of a recipient's preferences it needs. */
  event: Preferences["events"][number];
  /** The session that it is of; null: of none. */
  sessionId: string | null;
  /** The recipient whose own channel it is about: that one is not told. Null: it is about none. */
  aboutRecipient: string | null;
  template: TemplateKind;
  /** What the names of the template stand for, but for the time. */
  values: Record<string, string>;
}

/** What a notice needs to know besides its event. */
export interface Known {
  alertKinds: AlertKinds;
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

/** What an event tells. Null: nothing. */
export function noticeOf(event: ToldEvent, known: Known): Notice | null {
  switch (event.type) {
    case "alert.raised":
      return ofAlert(event.data, known);
    case "alert.cleared":
      return ofAlertOver(event.data, known);
    case "order.filled":
      return ofFill(event.data, known);
    case "session.changed":
      return isTold(event) ? ofSession(event.data) : null;
    case "order.changed":
      return null;
  }
}

type DataOf<Type extends ToldEvent["type"]> = Extract<ToldEvent, { type: Type }>["data"];

function ofAlert({ scope, code, severity, text, atMs, data }: DataOf<"alert.raised">, { alertKinds }: Known): Notice {
  // A rule's own word about what to do stands on its alert.
  const toDo = typeof data["toDo"] === "string" ? data["toDo"] : (alertKinds[code]?.toDo ?? "Look at it.");
  return {
    ...ofScope(scope),
    kind: "alert",
    severity,
    rank: severity,
    title: title(`${severity}: ${code} (${scope})`),
    template: "alert",
    values: { severity, code, scope, text, toDo },
    atMs,
    data: { ...data, scope, code },
  };
}

/** That something is over wakes nobody up. */
function ofAlertOver({ scope, code, atMs }: DataOf<"alert.cleared">, { alertKinds }: Known): Notice {
  const rank = alertKinds[code]?.severity ?? "critical";
  return {
    ...ofScope(scope),
    kind: "alert-over",
    severity: "info",
    rank,
    title: title(`Over: ${code} (${scope})`),
    template: "alertOver",
    values: { severity: rank, code, scope },
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
    kind: "fill",
    severity: "info",
    rank: "info",
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
    kind: "session",
    severity,
    rank: severity,
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

/** Whether a recipient wants to be told. */
export function isWanted(
  { event, sessionId, aboutRecipient, rank }: Notice,
  of: Preferences & { id: string },
): boolean {
  if (aboutRecipient === of.id || !of.events.includes(event)) return false;
  if (sessionId !== null && of.sessionIds !== null && !of.sessionIds.includes(sessionId)) return false;
  return event !== "alerts" || RANKS.indexOf(rank) >= RANKS.indexOf(of.minSeverity);
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
