import type { Parts } from "#services/order-position-tracker/parts.ts";
import type { Order, OrderState } from "#shared/domain/order.ts";
import { CANCEL_ORDER } from "#shared/messages/tasks.ts";
import type { LaneTx, Task } from "#shared/queue/queue.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { refuseByBook } from "#shared/risk/book-rule.ts";
import type { SendingSession, Standing } from "./intent-store.ts";

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
  { deps }: Parts,
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
export function settleTask(tx: LaneTx, parts: Parts, task: Task, order: Order, delayMs?: number): OrderState {
  if (UNSETTLED.has(order.state)) {
    const wantedMs = delayMs ?? parts.settings.R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS;
    tx.retryIn(task, Math.max(wantedMs, banLeftMs(parts, task, order)));
  } else tx.complete(task, { state: order.state, filled: order.filledSize });
  return order.state;
}

/**
 * Why an order of a session is not to be sent now, for the first time or again; null: it may be. One that does not reduce is
 * for a session that runs: after a pause nothing is entered, also where that was approved before. One that reduces is sent
 * in every state but after the session's end, and while all its orders are being canceled.
 */
export function refuseBySession(session: SendingSession, reduceOnly: boolean): string | null {
  if (session === undefined) return "The session is gone.";
  const { state, stopPolicy } = session;
  const over = state === "STOPPED" || state === "DELETED" || (state === "STOPPING" && stopPolicy === "cancel");
  return state === "RUNNING" || (reduceOnly && !over) ? null : `The session is ${state}.`;
}

/** Why an order is denied although its session may send: by the account's state, or by what the session's book lacks. Null: it is not. */
export function refuseByState(
  { session, account }: Pick<Standing, "session" | "account">,
  reduceOnly: boolean,
): string | null {
  const refused = refuseByAccount(account, reduceOnly) ?? refuseByBook(session?.gap ?? null);
  return refused === null ? null : `${refused.code}: ${refused.reason}`;
}
