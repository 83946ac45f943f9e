import { applyToPosition, NO_POSITION, type PositionState } from "#shared/accounting/book.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { isTerminal } from "#shared/orders/order-state.ts";

/** What a session holds and waits for, as its strategy is to see it. */
export interface Holding {
  readonly position: PositionState;
  /** The signal that risk has not decided yet. */
  readonly pendingSignal: string | null;
  /** Ids of its orders that are not terminal. */
  readonly openOrders: readonly string[];
}

/** A session before its first signal. */
export const NOTHING_HELD: Holding = { position: NO_POSITION, pendingSignal: null, openOrders: [] };

/** Whether a wish has to wait: a signal is undecided or an order on its way. */
export function isBusy(holding: Holding): boolean {
  return holding.pendingSignal !== null || holding.openOrders.length > 0;
}

/**
 * The holding after an event of an order. An order takes the place of the signal it came from, so that the session is busy
 * from the signal to the order's end without a gap.
 */
export function afterOrder(holding: Holding, order: Pick<Order, "id" | "signalId" | "state">): Holding {
  const others = holding.openOrders.filter((id) => id !== order.id);
  return {
    position: holding.position,
    pendingSignal: holding.pendingSignal === order.signalId ? null : holding.pendingSignal,
    openOrders: isTerminal(order.state) ? others : [...others, order.id],
  };
}

/** The holding after an execution, exact. It counts whatever became of its order. */
export function afterFill(holding: Holding, fill: Fill, instrument: Instrument): Holding {
  const booked = {
    side: fill.side,
    price: decimal(fill.price),
    size: decimal(fill.size),
    fee: decimal(fill.fee),
    feeAsset: fill.feeAsset,
  };
  return { ...holding, position: applyToPosition(holding.position, booked, instrument) };
}

/** The holding after risk has said no to a signal. */
export function afterDenial(holding: Holding, signalId: string): Holding {
  return holding.pendingSignal === signalId ? { ...holding, pendingSignal: null } : holding;
}
