import type { Order, OrderRequest } from "#shared/domain/order.ts";
import type { TrackedOrder } from "#shared/orders/order-state.ts";

/** The order of a request as risk hands it over: INITIALIZED, version 1, nothing sent and nothing filled. */
export function newOrder(request: OrderRequest): Order {
  return {
    ...request,
    state: "INITIALIZED",
    stateReason: null,
    venueOrderId: null,
    filledSize: "0",
    averagePrice: null,
    fees: {},
    filledAtMs: null,
    attempt: 0,
    signedAtMs: null,
    recvWindowMs: null,
    submittedAtMs: null,
    sentAtMs: null,
    version: 1,
  };
}

/** An order that has no fills yet, ready for `applyOrderEvent`. */
export function track(order: Order): TrackedOrder {
  return { order, filledQuote: "0", tradeIds: new Set() };
}
