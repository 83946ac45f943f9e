import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import { lastMarketMs } from "./standing-store.ts";

/** What an order has once its next attempt is committed: the time that it is signed for, and the window in which the venue may take it. */
type Intent = Pick<Order, "attempt" | "signedAtMs" | "recvWindowMs" | "submittedAtMs">;

/** The intent of the next attempt. */
export function intentOf(
  { deps, settings, serverClocks }: TrackerContext,
  { attempt, accountId }: Pick<Order, "attempt" | "accountId">,
): Intent {
  return {
    attempt: attempt + 1,
    signedAtMs: serverClocks.nowMs(accountId),
    recvWindowMs: settings.R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS,
    submittedAtMs: deps.clock.stampMs(),
  };
}

/** Instead of the intent of a first attempt that had no effect: nothing has to be proven before it is sent again. */
export const NO_INTENT = { attempt: 0, signedAtMs: null, recvWindowMs: null } as const;

/**
 * How far the market of an order has come, for its first send and for each one after it: by its venue's market clock, and not
 * before its decision. A replay has no such clock, its time is in its events alone: there it is what of them is stored.
 */
export async function marketTimeOf(
  tx: Tx,
  { deps: { exchanges } }: Pick<TrackerContext, "deps">,
  { accountId, sessionId, marketAtMs }: Pick<Order, "accountId" | "sessionId" | "marketAtMs">,
): Promise<number> {
  const nowMs = exchanges.marketNowMs(exchanges.account(accountId).venue);
  return Math.max(marketAtMs, nowMs ?? (await lastMarketMs(tx, sessionId)) ?? 0);
}
