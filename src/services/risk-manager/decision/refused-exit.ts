import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Order } from "#shared/domain/order.ts";
import { ABSENT, hasEndedUnheard } from "#shared/orders/order-state.ts";

/** That the venue has refused an exit of a session, and accepted none of a later decision since. */
export interface RefusedExit {
  /** The newest decision of which an exit was refused. */
  signalId: string;
  instrumentId: string;
  orderId: string;
  /** The venue's words. */
  reason: string;
  /** Decisions in a row of which an exit was refused. */
  times: number;
  /** No other exit is made before (wall clock). */
  retryAtMs: number;
}

const BACKOFF: Backoff = { firstMs: 1_000, longestMs: 60_000 };

/** Whether the venue has refused an exit: REJECTED by its word, or a market order that it has ended without any fill. */
function isRefused(order: Order): boolean {
  const { state, stateReason, style, venueOrderId, filledSize } = order;
  if (state === "REJECTED") return stateReason?.startsWith(ABSENT) !== true;
  if (hasEndedUnheard(order)) return false;
  return state === "EXPIRED" && style.type === "MARKET" && venueOrderId !== null && decimal(filledSize).isZero();
}

/** Whether the venue has taken an order: it is or was open there, or executed. */
function isAccepted({ state, venueOrderId }: Order): boolean {
  if (state === "CANCELED") return venueOrderId !== null;
  return state === "ACCEPTED" || state === "PARTIALLY_FILLED" || state === "FILLED";
}

/** Whether an event of an order may change what is known of refused exits. */
export function concernsExits(order: Order): boolean {
  return order.reduceOnly && (isRefused(order) || isAccepted(order));
}

/**
 * What is known after an event of an order. A refused exit doubles the pause, once a decision: 1 s, 2 s, 4 s and so on up to
 * 60 s. An accepted exit ends it, unless it is of the same decision: where its orders fare differently, the next decision
 * waits all the same.
 */
export function afterExitEvent(before: RefusedExit | null, order: Order, nowMs: number): RefusedExit | null {
  if (!order.reduceOnly) return before;
  const isSameDecision = before?.signalId === order.signalId;
  if (isAccepted(order)) return isSameDecision && before.orderId !== order.id ? before : null;
  if (isSameDecision || !isRefused(order)) return before;
  const times = (before?.times ?? 0) + 1;
  const pauseMs = backoffMs(BACKOFF, times);
  const reason = order.stateReason ?? `the order ended ${order.state}`;
  const { id: orderId, signalId, instrumentId } = order;
  return { signalId, instrumentId, orderId, reason, times, retryAtMs: nowMs + pauseMs };
}

/**
 * What is told of it while it lasts: the venue's words, and that it goes on. The text changes only with these words.
 */
export function sayRefused({ reason }: RefusedExit): string {
  return `The venue has refused an exit: ${reason.replace(/\.?$/, ".")} It is tried again, with growing pauses.`;
}
