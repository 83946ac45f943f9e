import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { openOrdersOfSession } from "#services/order-position-tracker/orders/order-store.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { anyUnsent, askToCancel, askToFlatten, ordersToCancel } from "./end-orders.ts";
import { type Holdings, readHoldings } from "./holdings.ts";
import { endEquity } from "./session-store.ts";

/**
 * Does what the stop policy asks for, as far as it can be done now, and may be repeated. keep: nothing. cancel: no order
 * is open. flatten: no order is open and no position is left that an order could close. What is held all the same is told. Whatever the policy, an order that
 * was decided has its intent or its end first, so that none is sent for a session that is STOPPED. True: it is done, and
 * reported. Risk makes the order that flattens, so that this service only asks for it.
 */
export async function stopSession(context: TrackerContext, session: Session, unit: OwnedUnit): Promise<boolean> {
  const { deps } = context;
  const fenced = <T>(body: (tx: Tx) => Promise<T>) =>
    deps.db.transaction(async (tx) => {
      await deps.leader.fence(tx, unit.role, unit.epoch);
      return body(tx);
    });
  if (session.stopPolicy !== "keep") {
    const flattens = session.stopPolicy === "flatten";
    for (const id of await ordersToCancel(deps.db, session, flattens))
      await askToCancel(context, { orderId: id, sessionId: session.id, reason: "The session stops." }, fenced);
  }
  return fenced(async (tx) => {
    // Before the open orders: what is begun between the two is open by then.
    if (await anyUnsent(tx, context, session)) return false;
    if (session.stopPolicy !== "keep" && (await openOrdersOfSession(tx, session)).length > 0) return false;
    const held = await readHoldings(tx, session.id);
    if (session.stopPolicy === "flatten" && (await askToFlatten(tx, context, { session, held }))) return false;
    await endEquity(tx, session.id);
    const report = {
      sessionId: session.id,
      run: session.run,
      atMs: deps.clock.nowMs(),
      reason: whatIsLeft(session, held),
    };
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.stopped", report)]);
    return true;
  });
}

/** What the session holds when it has stopped, in words for a person. Null: nothing. */
function whatIsLeft({ stopPolicy }: Session, { closable, left }: Holdings): string | null {
  const kept = closable.map(
    ({ instrument: { base, venue }, size }) =>
      `It keeps ${size} ${base} at ${venue}: its stop policy is ${stopPolicy}.`,
  );
  const all = left === null ? kept : [...kept, left];
  return all.length === 0 ? null : all.join(" ");
}
