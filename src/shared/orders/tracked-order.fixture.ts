import type { Order } from "#shared/domain/order.ts";
import type { TrackedOrder } from "./order-state.ts";

/** An order that has no fills yet, ready for `applyOrderEvent`. */
export function track(order: Order): TrackedOrder {
  return { order, filledQuote: "0", tradeIds: new Set() };
}
