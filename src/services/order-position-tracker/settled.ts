import type { TradingState } from "#shared/domain/account.ts";
import type { Order, OrderRequest, OrderState } from "#shared/domain/order.ts";
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

/**
 * Why an order of a session is not to be sent now, for the first time or again; null: it may be. One that does not reduce is
 * for a session that runs: after a pause nothing is entered, also where that was approved before. `state` undefined: the
 * session is gone.
 */
export function refuseBySession(state: SessionState | undefined, reduceOnly: boolean): string | null {
  return reduceOnly || state === "RUNNING" ? null : `The session is ${state ?? "gone"}.`;
}

/**
 * The states that let an order be sent or not, locked until the transaction ends: a halt waits for an intent that is being
 * committed, and none is committed after it. Called before the order's own row is locked.
 */
export async function lockStates(
  { sql }: LaneTx,
  { sessionId, accountId }: Pick<OrderRequest, "sessionId" | "accountId">,
): Promise<{ session: SessionState | undefined; account: TradingState | null }> {
  const [sessions, accounts] = await Promise.all([
    sql<{ state: SessionState }[]>`select state from reference.sessions where id = ${sessionId} for share`,
    sql<{ trading_state: TradingState }[]>`
      select trading_state from reference.accounts where id = ${accountId} for share`,
  ]);
  return { session: sessions[0]?.state, account: accounts[0]?.trading_state ?? null };
}
