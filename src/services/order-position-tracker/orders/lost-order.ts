import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { LOST_AT_VENUE } from "#shared/orders/order-state.ts";
import { noteMissing } from "./order-store.ts";

/**
 * The venue has accepted an order once, and when it was asked at `askedAtMs` (our clock) it knew neither it nor a fill of it
 * that is not booked. An answer may be older than the order: it is over once all answers were so for longer than the venue's
 * lists may lag. The order is locked, and given as it is then.
 */
export async function endIfLost(tx: Tx, context: TrackerContext, order: Order, askedAtMs: number): Promise<Order> {
  const { deps, settings } = context;
  const { exchanges } = deps;
  const sinceMs = await noteMissing(tx, order.id, askedAtMs);
  const lagMs = exchanges.listLagMs(exchanges.account(order.accountId).venue);
  if (askedAtMs - sinceMs < lagMs + settings.R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS) return order;
  return await endLost(tx, context, order);
}

/** EXPIRED, and a person is told. What the venue may say of it later is booked all the same. */
async function endLost(tx: Tx, { deps, recorder }: TrackerContext, order: Order): Promise<Order> {
  const { id: orderId, sessionId, accountId, clientOrderId, venueOrderId } = order;
  const known = `the venue had accepted it as ${venueOrderId ?? "an order"}, and knows it no more.`;
  const reason = codedReason(LOST_AT_VENUE, known);
  const ended = await recorder.change(tx, order, { kind: "state", to: "EXPIRED", reason });
  await raiseAlert(tx, deps, {
    scope: `order:${orderId}`,
    kind: alerts.LOST_AT_VENUE,
    text: `The venue had accepted the order ${clientOrderId} and knows it no more; ${order.filledSize} of ${order.size} were filled. It counts as over: what it was to do is not done.`,
    data: { orderId, sessionId, accountId, clientOrderId, venueOrderId },
  });
  return ended;
}
