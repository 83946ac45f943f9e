import { decimal } from "#shared/domain/decimal.ts";
import type { Order, OrderState } from "#shared/domain/order.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";
import { hasEndedUnheard, isTerminal, type OrderEvent, RESIZED } from "#shared/orders/order-state.ts";
import { codedReason } from "./coded-reason.ts";

/** What a venue's word about an order means for us. */
export type VenueReading =
  | { kind: "event"; event: OrderEvent }
  /** The venue has executed more than we have booked: its fills have to be read before its state. */
  | { kind: "fills-missing" }
  /** Old news: our order is there already, or beyond. */
  | { kind: "nothing" };

const CLOSED = { CANCELED: "CANCELED", REJECTED: "REJECTED", EXPIRED: "EXPIRED" } as const;

/** States in which "open at the venue" says nothing new. */
const KNOWN_OPEN: ReadonlySet<OrderState> = new Set(["ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "PENDING_UPDATE"]);

/**
 * Reads the venue's state of an order, fills before states. FILLED and PARTIALLY_FILLED come from fills alone. An end is
 * taken over only when all that the venue has executed is booked. `unbookable`: executions that cannot be booked, which are
 * not waited for; an order that was filled by them is EXPIRED here, and so is one that was filled after someone made it
 * smaller at the venue.
 */
export function readVenueOrder(order: Order, venue: VenueOrder, unbookable = false): VenueReading {
  if (!unbookable && decimal(venue.filledSize).gt(order.filledSize)) return { kind: "fills-missing" };
  const { venueOrderId } = venue;
  if (venue.status === "NEW" || venue.status === "PARTIALLY_FILLED") {
    // A pending cancel ends by the answer to the cancel, never by an older word that the order is open.
    if (KNOWN_OPEN.has(order.state) || order.state === "PENDING_CANCEL") return { kind: "nothing" };
    if (isTerminal(order.state) && !hasEndedUnheard(order)) return { kind: "nothing" };
    return { kind: "event", event: { kind: "state", to: "ACCEPTED", venueOrderId } };
  }
  if (isTerminal(order.state)) return { kind: "nothing" };
  if (unbookable) {
    const to = venue.status === "FILLED" ? "EXPIRED" : CLOSED[venue.status];
    const reason = `EXECUTION_NOT_BOOKED: of the ${venue.filledSize} that the venue has executed not all could be booked.`;
    return { kind: "event", event: { kind: "state", to, venueOrderId, reason } };
  }
  if (venue.status === "FILLED") {
    if (decimal(venue.size).gte(order.size)) return { kind: "nothing" };
    const reason = codedReason(RESIZED, `the venue has it at ${venue.size}, and we sent ${order.size}.`);
    return { kind: "event", event: { kind: "state", to: "EXPIRED", venueOrderId, reason } };
  }
  return { kind: "event", event: { kind: "state", to: CLOSED[venue.status], venueOrderId } };
}
