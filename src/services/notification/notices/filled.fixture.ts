import { orderRequestOf } from "#shared/domain/domain.fixture.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { event, ORDERS } from "#shared/messages/topics.ts";

/** An order of a session, half of which is filled, with its fill. */
export function filledOf(session: Session, more: Partial<Fill> = {}): { from: "ACCEPTED"; order: Order; fill: Fill } {
  const request = orderRequestOf(session, 1);
  const { id: orderId, sessionId, accountId, instrumentId, side } = request;
  const order: Order = {
    ...request,
    state: "PARTIALLY_FILLED",
    stateReason: null,
    venueOrderId: "1",
    filledSize: "1",
    averagePrice: "100.5",
    fees: { USD: "0.1" },
    filledAtMs: 1,
    attempt: 1,
    signedAtMs: 1,
    recvWindowMs: 5_000,
    submittedAtMs: 1,
    sentAtMs: 1,
    version: 2,
  };
  const fill: Fill = {
    tradeId: crypto.randomUUID(),
    orderId,
    sessionId,
    accountId,
    instrumentId,
    side,
    price: "100.5",
    size: "1",
    fee: "0.1",
    feeAsset: "USD",
    maker: false,
    atMs: 1,
    ...more,
  };
  return { from: "ACCEPTED", order, fill };
}

/** The event of it. */
export function filled(session: Session, more: Partial<Fill> = {}) {
  return event(ORDERS, session.id, "order.filled", filledOf(session, more));
}
