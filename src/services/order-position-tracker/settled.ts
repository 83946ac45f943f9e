import type { Order, OrderState } from "#shared/domain/order.ts";
import type { SessionState } from "#shared/domain/session.ts";
import type { LaneTx, Task } from "#shared/queue/queue.ts";
import type { Parts } from "./parts.ts";

/** States in which an order's task stays open: what became of a request is not known yet. */
const UNSETTLED: ReadonlySet<OrderState> = new Set([
  "INITIALIZED",
  "SUBMITTED",
  "UNKNOWN",
  "PENDING_CANCEL",
  "PENDING_UPDATE",
]);

/** Ends the task when the order's state is settled, else puts it off. Returns the state. */
export function settleTask(tx: LaneTx, { settings }: Parts, task: Task, order: Order, delayMs?: number): OrderState {
  if (UNSETTLED.has(order.state)) {
    tx.retryIn(task, delayMs ?? settings.R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS);
  } else tx.complete(task, { state: order.state, filled: order.filledSize });
  return order.state;
}

/** Whether orders that do not reduce may still be sent for a session in this state. */
export function sessionTrades(state: SessionState | undefined): boolean {
  return state === "RUNNING" || state === "PAUSED";
}
