import { raiseAlert } from "#shared/alerts/alerts.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import type { Parts } from "./parts.ts";

/**
 * Ends an order that the venue has accepted once and knows no more, and whose fills were asked for: it is EXPIRED, and a
 * person is told. What the venue may say of it later is booked all the same. The order is locked.
 */
export async function endLost(tx: Tx, { deps, recorder }: Parts, order: Order): Promise<Order> {
  const { id: orderId, sessionId, accountId, clientOrderId, venueOrderId } = order;
  const reason = `LOST_AT_VENUE: the venue had accepted it as ${venueOrderId ?? "an order"}, and knows it no more.`;
  const ended = await recorder.change(tx, order, { kind: "state", to: "EXPIRED", reason });
  await raiseAlert(tx, deps, {
    scope: `order:${orderId}`,
    code: "LOST_AT_VENUE",
    text: `The venue had accepted the order ${clientOrderId} and knows it no more; ${order.filledSize} of ${order.size} were filled. It counts as over: what it was to do is not done.`,
    data: { orderId, sessionId, accountId, clientOrderId, venueOrderId },
  });
  return ended;
}
