import { type Assets, heldAfter, moneyOf } from "#shared/accounting/book.ts";
import type { Decimal } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { isTerminal } from "#shared/orders/order-state.ts";

/** What a session holds and waits for, as its strategy is to see it. */
export interface Holding {
  /** Signed, in the base asset, exact. */
  readonly size: Decimal;
  /** The signal that risk has not denied and whose orders have not all ended, as far as it is known here. */
  readonly pendingSignal: string | null;
  /** The numbers of its orders that have ended. Not how many: a late fill tells the end of an order a second time. */
  readonly endedOrders: readonly number[];
}

/** Whether a wish has to wait: a signal is undecided or an order of it on its way. */
export function isBusy(holding: Holding): boolean {
  return holding.pendingSignal !== null;
}

/** The holding after an event of an order: with the end of the last of its orders a signal is done. */
export function afterOrder(
  holding: Holding,
  { signalId, signalOrders, number, state }: Pick<Order, "signalId" | "signalOrders" | "number" | "state">,
): Holding {
  if (!isTerminal(state) || holding.pendingSignal !== signalId) return holding;
  const ended = new Set(holding.endedOrders).add(number);
  return ended.size < signalOrders ? { ...holding, endedOrders: [...ended] } : withoutSignal(holding, signalId);
}

/** The holding after an execution, exact. It counts whatever became of its order. */
export function afterFill(holding: Holding, fill: Fill, instrument: Assets): Holding {
  return { ...holding, size: heldAfter(holding.size, moneyOf(fill), instrument) };
}

/** The holding after risk has said no to a signal. */
export function afterDenial(holding: Holding, signalId: string): Holding {
  return withoutSignal(holding, signalId);
}

function withoutSignal(holding: Holding, signalId: string): Holding {
  return holding.pendingSignal === signalId ? { ...holding, pendingSignal: null, endedOrders: [] } : holding;
}
