import { heldAfter, moneyOf } from "#shared/accounting/book.ts";
import { type Decimal, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { isTerminal } from "#shared/orders/order-state.ts";

/** What a session holds and waits for, as its strategy is to see it. */
export interface Holding {
  /** Signed, in the base asset, exact. */
  readonly size: Decimal;
  /** The signal that risk has not denied and whose order has not ended, as far as it is known here. */
  readonly pendingSignal: string | null;
}

/** A session before its first signal. */
export const NOTHING_HELD: Holding = { size: ZERO, pendingSignal: null };

/** Whether a wish has to wait: a signal is undecided or its order on its way. */
export function isBusy(holding: Holding): boolean {
  return holding.pendingSignal !== null;
}

/** The holding after an event of an order: with its end the signal it came from is done. */
export function afterOrder(holding: Holding, order: Pick<Order, "signalId" | "state">): Holding {
  return isTerminal(order.state) ? withoutSignal(holding, order.signalId) : holding;
}

/** The holding after an execution, exact. It counts whatever became of its order. */
export function afterFill(holding: Holding, fill: Fill, instrument: Instrument): Holding {
  return { ...holding, size: heldAfter(holding.size, moneyOf(fill), instrument) };
}

/** The holding after risk has said no to a signal. */
export function afterDenial(holding: Holding, signalId: string): Holding {
  return withoutSignal(holding, signalId);
}

function withoutSignal(holding: Holding, signalId: string): Holding {
  return holding.pendingSignal === signalId ? { ...holding, pendingSignal: null } : holding;
}
