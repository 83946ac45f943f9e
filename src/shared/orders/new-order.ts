import type { Order, OrderRequest } from "#shared/domain/order.ts";

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
