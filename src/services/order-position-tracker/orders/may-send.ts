import type { OrderRequest } from "#shared/domain/order.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { refuseByBook } from "#shared/risk/book-rule.ts";
import { isExpired } from "#shared/risk/validity-rule.ts";
import type { SendingSession, Standing } from "./standing-store.ts";

/** Why an order is not sent, and the state that says it. */
interface NotSent {
  state: "CANCELED" | "DENIED" | "EXPIRED";
  /** Of a denial: whose rule it is. */
  code: string | null;
  why: string;
}

/**
 * Why an order is not to be sent now, for the first time or again: what risk saw may have changed since. Null: it is to be sent.
 * `marketAtMs`: how far its market has come (`marketTimeOf`), asked only where nothing else is against an order that ends.
 */
export async function whyNotSent(
  { session, account }: Pick<Standing, "session" | "account">,
  order: Pick<OrderRequest, "reduceOnly" | "validUntilMs">,
  marketAtMs: () => Promise<number>,
): Promise<NotSent | null> {
  const bySession = refuseBySession(session, order.reduceOnly);
  if (bySession !== null) return { state: "CANCELED", code: null, why: bySession };
  const denied = refuseByAccount(account, order.reduceOnly) ?? refuseByBook(session?.gap ?? null);
  if (denied !== null) return { state: "DENIED", code: denied.code, why: denied.reason };
  if (order.validUntilMs !== null && isExpired(order, await marketAtMs()))
    return { state: "EXPIRED", code: null, why: "Its signal is not valid any more." };
  return null;
}

/**
 * An order that does not reduce is for a session that runs: after a pause nothing is entered, also where that was approved
 * before. One that reduces is sent in every state but after the session's end, and while all its orders are being canceled.
 */
function refuseBySession(session: SendingSession, reduceOnly: boolean): string | null {
  if (session === undefined) return "The session is gone.";
  const { state, stopPolicy } = session;
  const over = state === "STOPPED" || state === "DELETED" || (state === "STOPPING" && stopPolicy === "cancel");
  return state === "RUNNING" || (reduceOnly && !over) ? null : `The session is ${state}.`;
}
