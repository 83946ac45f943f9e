import type { OrderRequest } from "#shared/domain/order.ts";
import { isClosing, isOfKill } from "#shared/orders/closing-cause.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { refuseByBook } from "#shared/risk/book-rule.ts";
import { refuseByRisk } from "#shared/risk/risk-state-rule.ts";
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
  { session, account, risk }: Pick<Standing, "session" | "account" | "risk">,
  order: Pick<OrderRequest, "signalId" | "reduceOnly" | "validUntilMs">,
  marketAtMs: () => Promise<number>,
): Promise<NotSent | null> {
  const { reduceOnly: reduces } = order;
  const bySession = refuseBySession(session, order);
  if (bySession !== null) return { state: "CANCELED", code: null, why: bySession };
  const denied =
    refuseByAccount(account, reduces) ??
    refuseByRisk(risk, { reduces, closes: isClosing(order.signalId) }) ??
    refuseByBook(session?.gap ?? null);
  if (denied !== null) return { state: "DENIED", code: denied.code, why: denied.reason };
  if (order.validUntilMs !== null && isExpired(order, await marketAtMs()))
    return { state: "EXPIRED", code: null, why: "Its signal is not valid any more." };
  return null;
}

/**
 * An order that does not reduce is for a session that runs: after a pause nothing is entered, also where that was approved
 * before. One that reduces is sent in every state but after the session's end, and while all its orders are being canceled. One
 * of a kill is sent then too: what a session kept when it stopped is closed by it.
 */
function refuseBySession(
  session: SendingSession,
  { signalId, reduceOnly }: Pick<OrderRequest, "signalId" | "reduceOnly">,
): string | null {
  if (session === undefined) return "The session is gone.";
  if (reduceOnly && isOfKill(signalId)) return null;
  const { state, stopPolicy } = session;
  const over = state === "STOPPED" || state === "DELETED" || (state === "STOPPING" && stopPolicy === "cancel");
  return state === "RUNNING" || (reduceOnly && !over) ? null : `The session is ${state}.`;
}
