import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import {
  countOrders,
  openOrdersOfSession,
  requestCancel,
} from "#services/order-position-tracker/orders/order-store.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";
import { CANCEL_ORDER, FLATTEN_POSITION, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { type Holdings, readHoldings } from "./holdings.ts";
import { endEquity } from "./session-store.ts";

/** Cancels go before entries, and what closes a position before other decisions of its session. */
const FIRST = 0;

/**
 * Does what the stop policy asks for, as far as it can be done now, and may be repeated. keep: nothing. cancel: no order
 * is open. flatten: no order is open and no position is left that an order could close. What is held all the same is told. Whatever the policy, an order that
 * was decided has its intent or its end first, so that none is sent for a session that is STOPPED. True: it is done, and
 * reported. Risk makes the order that flattens, so that this service only asks for it.
 */
export async function stopSession(context: TrackerContext, session: Session, unit: OwnedUnit): Promise<boolean> {
  const { deps } = context;
  if (session.stopPolicy !== "keep") {
    for (const id of await ordersToCancel(deps.db, session))
      await askToCancel(context, { orderId: id, sessionId: session.id }, unit);
  }
  return deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
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

/**
 * Whether an order of the session is decided that has no row yet. None is added while it stops, but for the one that
 * flattens: a decision locks the session's row.
 */
async function anyUnsent(tx: Tx, { deps }: TrackerContext, { id: sessionId }: Session): Promise<boolean> {
  const lanes = await deps.queue.waitingLanes(tx, PLACE_ORDER, { order: { sessionId } });
  if (lanes.length === 0) return false;
  return (await countOrders(tx, lanes)) < lanes.length;
}

/** The open orders that are still to be canceled: all but those that themselves do what the policy wants. */
async function ordersToCancel(db: { sql: Sql }, session: Session): Promise<string[]> {
  return (await openOrdersOfSession(db, session))
    .filter(({ order, cancelRequested }) => !cancelRequested && !(session.stopPolicy === "flatten" && closes(order)))
    .map(({ order }) => order.id);
}

/**
 * Asks for the cancel of one order, once. The lane is locked before the order's row, as the order's worker does it: the
 * other way round each would wait for the other. An order that has closed meanwhile takes the task back with it.
 */
async function askToCancel(
  { deps }: TrackerContext,
  { orderId, sessionId }: { orderId: string; sessionId: string },
  unit: OwnedUnit,
): Promise<void> {
  const payload = { orderId, sessionId, reason: "The session stops." };
  const asked = deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    await deps.queue.enqueue(tx, { task: CANCEL_ORDER, lane: orderId, payload, priority: FIRST });
    if (await requestCancel(tx, orderId)) return;
    throw new AppError("PRECONDITION_FAILED", "permanent", `The order ${orderId} has no cancel to ask for any more.`);
  });
  await asked.catch((error: unknown) => {
    if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
  });
}

/** Market orders that reduce: to cancel one would only lead to another one like it. */
function closes({ reduceOnly, style }: Order): boolean {
  return reduceOnly && style.type === "MARKET";
}

/** Whether a position is left that an order could close. Risk is asked once, and again when it has answered. */
async function askToFlatten(
  tx: Tx,
  { deps }: TrackerContext,
  { session, held }: { session: Session; held: Holdings },
): Promise<boolean> {
  if (held.closable.length === 0) return false;
  if (await deps.queue.isWaiting(tx, FLATTEN_POSITION, session.id)) return true;
  const { id: sessionId, run, version } = session;
  for (const { instrument, mark, marketAtMs } of held.closable) {
    const payload = { sessionId, run, version, instrumentId: instrument.id, mark, marketAtMs };
    await deps.queue.enqueue(tx, { task: FLATTEN_POSITION, lane: sessionId, payload, priority: FIRST });
  }
  return true;
}
