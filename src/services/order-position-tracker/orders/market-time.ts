import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import { lastMarketMs } from "./intent-store.ts";

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
