import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Order, OrderState } from "#shared/domain/order.ts";
import { CANCEL_ORDER } from "#shared/messages/tasks.ts";
import type { LaneTx, Task } from "#shared/queue/queue.ts";

/** States in which an order's task stays open: what became of a request is not known yet. */
const UNSETTLED: ReadonlySet<OrderState> = new Set([
  "INITIALIZED",
  "SUBMITTED",
  "UNKNOWN",
  "PENDING_CANCEL",
  "PENDING_UPDATE",
]);

/** Entries come so much behind the end of a ban: cancels go first. */
const BEHIND_CANCELS_MS = 250;

/** How long a task waits for the end of a ban of its order's venue; 0: there is none. `toldMs`: what other processes were told. */
export function banLeftMs(
  { deps }: TrackerContext,
  task: Pick<Task, "type">,
  { accountId, toldMs = null }: Pick<Order, "accountId"> & { toldMs?: number | null },
): number {
  const { exchanges, clock } = deps;
  const cancels = task.type === CANCEL_ORDER.type;
  const { venue } = exchanges.account(accountId);
  const knownMs = cancels ? exchanges.bannedUntilMs(venue) : exchanges.orderBanUntilMs(accountId);
  if (knownMs === null && toldMs === null) return 0;
  return Math.max(1, Math.max(knownMs ?? 0, toldMs ?? 0) - clock.nowMs()) + (cancels ? 0 : BEHIND_CANCELS_MS);
}

/** Ends the task when the order's state is settled, else puts it off, beyond the end of a ban. Returns the state. */
export function settleTask(
  tx: LaneTx,
  context: TrackerContext,
  task: Task,
  order: Order,
  delayMs?: number,
): OrderState {
  if (UNSETTLED.has(order.state)) {
    const wantedMs = delayMs ?? context.settings.R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS;
    tx.retryIn(task, Math.max(wantedMs, banLeftMs(context, task, order)));
  } else tx.complete(task, { state: order.state, filled: order.filledSize });
  return order.state;
}
