import { averagePriceOf } from "#shared/accounting/average.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Fill, Order, OrderState } from "#shared/domain/order.ts";
import { codesOf } from "./coded-reason.ts";

/**
 * The order state machine (`from: [to ...]`). A fill may also complete an order in any state, see `applyOrderEvent`.
 *
 * - INITIALIZED: decided by risk, no intent yet. Enters: an approval. Leaves: the intent's commit, a denial, a cancel.
 * - DENIED (end): refused by our own rules.
 * - HELD: kept and triggered by us. Enters: a type the venue lacks. Leaves: its trigger, a cancel, its end, a denial.
 * - SUBMITTED: the intent is committed, the request may be on its way. Enters: each attempt. Leaves: the venue's answer or
 *   execution; UNKNOWN when the answer is lost.
 * - UNKNOWN: no one here knows whether the venue has it. Leaves: what the venue says; proven absent, SUBMITTED or REJECTED.
 * - ACCEPTED: open at the venue, nothing filled. TRIGGERED: a stop that has become an active order.
 * - PARTIALLY_FILLED: open, some of it filled; stays with each further fill.
 * - PENDING_UPDATE: a change was asked for. Leaves: back by cumulative size, or to an end.
 * - PENDING_CANCEL: a cancel was asked for. Leaves: back when it is refused, or to an end.
 * - FILLED (end): cumulative has reached the size. Enters from every state, since what is executed is executed.
 * - CANCELED, EXPIRED, REJECTED (ends): closed with what was filled until then.
 */
export const ORDER_TRANSITIONS: Readonly<Record<OrderState, readonly OrderState[]>> = {
  INITIALIZED: ["DENIED", "HELD", "SUBMITTED", "CANCELED", "EXPIRED"],
  DENIED: [],
  HELD: ["SUBMITTED", "CANCELED", "EXPIRED", "DENIED"],
  SUBMITTED: ["ACCEPTED", "REJECTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "PENDING_CANCEL", "UNKNOWN"],
  UNKNOWN: [
    "SUBMITTED",
    "REJECTED",
    "ACCEPTED",
    "TRIGGERED",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "EXPIRED",
    "PENDING_CANCEL",
  ],
  ACCEPTED: [
    "TRIGGERED",
    "PARTIALLY_FILLED",
    "FILLED",
    "PENDING_UPDATE",
    "PENDING_CANCEL",
    "CANCELED",
    "EXPIRED",
    "REJECTED",
  ],
  TRIGGERED: ["PARTIALLY_FILLED", "FILLED", "PENDING_UPDATE", "PENDING_CANCEL", "CANCELED", "EXPIRED", "REJECTED"],
  PARTIALLY_FILLED: ["PARTIALLY_FILLED", "FILLED", "PENDING_UPDATE", "PENDING_CANCEL", "CANCELED", "EXPIRED"],
  PENDING_UPDATE: [
    "ACCEPTED",
    "TRIGGERED",
    "PARTIALLY_FILLED",
    "PENDING_UPDATE",
    "FILLED",
    "PENDING_CANCEL",
    "CANCELED",
    "EXPIRED",
    "REJECTED",
  ],
  PENDING_CANCEL: [
    "ACCEPTED",
    "TRIGGERED",
    "PARTIALLY_FILLED",
    "PENDING_CANCEL",
    "FILLED",
    "CANCELED",
    "EXPIRED",
    "REJECTED",
  ],
  FILLED: [],
  CANCELED: [],
  EXPIRED: [],
  REJECTED: [],
};

/** An order with what its averages and its idempotency are made from. */
export interface TrackedOrder {
  readonly order: Order;
  /** Exact sum of price times size over its fills. */
  readonly filledQuote: string;
  /** The venue's ids of the fills that are in it. */
  readonly tradeIds: ReadonlySet<string>;
}

export type OrderEvent =
  | { kind: "state"; to: OrderState; reason?: string | null; venueOrderId?: string }
  | { kind: "fill"; fill: Fill; venueOrderId?: string };

/** What a person should know about a change that was booked all the same. */
export type OrderAlert = "OVER_FILL" | "LATE_FILL" | "LATE_ACCEPTANCE" | "FILL_BEFORE_INTENT";

export type OrderChange =
  | { kind: "changed"; from: OrderState; tracked: TrackedOrder; alerts: readonly OrderAlert[] }
  /** Nothing new: the same event again, or one that the order is already beyond. */
  | { kind: "same"; alerts: readonly OrderAlert[] }
  /** Against the table: nothing changes; the caller logs it and reconciles. */
  | { kind: "refused"; from: OrderState; to: OrderState };

/** Whether an order in this state can not change any more but by a late fill. */
export function isTerminal(state: OrderState): boolean {
  return ORDER_TRANSITIONS[state].length === 0;
}

/** Begins the reason of an order that a venue has accepted and knows no more. */
export const LOST_AT_VENUE = "LOST_AT_VENUE";
/** Begins the reason of an order that the venue does not know, and would not take any more. */
export const ABSENT = "ABSENT";
/** Begins the reason of an order that was open when its venue's ids began anew. */
export const NEW_ERA = "NEW_ERA";

/** Begins the reason of an order that was filled at a smaller size than we sent: someone has changed it at its venue. */
export const RESIZED = "RESIZED";

/** Whether an order has ended by our own word alone, as one that its venue did not know. */
export function hasEndedUnheard({ state, stateReason }: Pick<Order, "state" | "stateReason">): boolean {
  if (state === "REJECTED" || state === "DENIED") return true;
  const [told] = codesOf(stateReason);
  if (state === "CANCELED") return told === ABSENT;
  return state === "EXPIRED" && (told === LOST_AT_VENUE || told === NEW_ERA);
}

/** Where an order goes back to when a change or a cancel of it was refused: by its cumulative size. */
export function openStateOf(order: Pick<Order, "filledSize">): "ACCEPTED" | "PARTIALLY_FILLED" {
  return decimal(order.filledSize).isZero() ? "ACCEPTED" : "PARTIALLY_FILLED";
}

/**
 * The order after an event. Never throws on what a venue may say. A fill counts once by its trade id, is booked in every
 * state, and makes the cumulative size grow only; one over the size is booked and flagged. The same state twice is `same`.
 */
export function applyOrderEvent(tracked: TrackedOrder, event: OrderEvent): OrderChange {
  return event.kind === "fill" ? applyFill(tracked, event.fill, event.venueOrderId) : applyState(tracked, event);
}

function applyState(tracked: TrackedOrder, event: Extract<OrderEvent, { kind: "state" }>): OrderChange {
  const { order } = tracked;
  const from = order.state;
  if (from === event.to) return { kind: "same", alerts: [] };
  if (isTerminal(from) && event.to === "ACCEPTED") {
    // A venue that holds what was closed here as unknown to it has an order nobody follows.
    return { kind: "same", alerts: hasEndedUnheard(order) ? ["LATE_ACCEPTANCE"] : [] };
  }
  if (event.to === "FILLED" || !ORDER_TRANSITIONS[from].includes(event.to))
    return { kind: "refused", from, to: event.to };
  const changed: Order = {
    ...order,
    state: event.to,
    stateReason: event.reason ?? null,
    venueOrderId: event.venueOrderId ?? order.venueOrderId,
    version: order.version + 1,
  };
  return { kind: "changed", from, tracked: { ...tracked, order: changed }, alerts: [] };
}

function applyFill(tracked: TrackedOrder, fill: Fill, venueOrderId: string | undefined): OrderChange {
  if (tracked.tradeIds.has(fill.tradeId)) return { kind: "same", alerts: [] };
  const { order } = tracked;
  const from = order.state;
  const filled = decimal(order.filledSize).plus(fill.size);
  const filledQuote = decimal(tracked.filledQuote).plus(decimal(fill.price).times(fill.size));
  const state = stateAfterFill(from, filled.gte(order.size));
  const changed: Order = {
    ...order,
    state,
    stateReason: state === from ? order.stateReason : null,
    // The first order that the venue made of it: a second one is noticed by its other id.
    venueOrderId: order.venueOrderId ?? venueOrderId ?? null,
    filledSize: plain(filled),
    averagePrice: plain(averagePriceOf(filledQuote, filled)),
    fees: withFee(order.fees, fill),
    filledAtMs: Math.max(order.filledAtMs ?? 0, fill.atMs),
    version: order.version + 1,
  };
  const alerts: OrderAlert[] = [];
  if (filled.gt(order.size)) alerts.push("OVER_FILL");
  else if (isTerminal(from)) alerts.push("LATE_FILL");
  if (from === "INITIALIZED" || from === "HELD") alerts.push("FILL_BEFORE_INTENT");
  const tradeIds = new Set(tracked.tradeIds).add(fill.tradeId);
  return { kind: "changed", from, tracked: { order: changed, filledQuote: plain(filledQuote), tradeIds }, alerts };
}

/** Complete is FILLED from everywhere; otherwise an end stays an end, and what is pending stays pending. */
function stateAfterFill(from: OrderState, complete: boolean): OrderState {
  if (complete) return "FILLED";
  const keeps = isTerminal(from) || from === "PENDING_CANCEL" || from === "PENDING_UPDATE";
  return keeps ? from : "PARTIALLY_FILLED";
}

function withFee(fees: Readonly<Record<string, string>>, fill: Fill): Record<string, string> {
  const fee = decimal(fill.fee);
  const counted = new Map(Object.entries(fees));
  // The venue names the asset: an object would also answer to `constructor`.
  if (!fee.isZero()) counted.set(fill.feeAsset, plain(fee.plus(counted.get(fill.feeAsset) ?? "0")));
  return Object.fromEntries(counted);
}
