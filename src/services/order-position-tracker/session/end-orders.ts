import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import {
  countOrders,
  openOrdersOfSession,
  requestCancel,
} from "#services/order-position-tracker/orders/order-store.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";
import { CANCEL_ORDER, FLATTEN_POSITION, PLACE_ORDER } from "#shared/messages/tasks.ts";
import type { Holdings } from "./holdings.ts";

// What the stop of a session and a kill have in common: open orders are canceled, and risk is asked to close what is held.

/** Cancels go before entries, and what closes a position before other decisions of its session. */
const FIRST = 0;

/** Runs a transaction that first checks that whoever acts may still. */
export type FencedTransaction = <T>(body: (tx: Tx) => Promise<T>) => Promise<T>;

/** Whether an order of the session is decided that has no row yet. No entry is added while it stops or is killed. */
export async function anyUnsent(
  tx: Tx,
  { deps }: TrackerContext,
  { id: sessionId }: Pick<Session, "id">,
): Promise<boolean> {
  const lanes = await deps.queue.waitingLanes(tx, PLACE_ORDER, { order: { sessionId } });
  if (lanes.length === 0) return false;
  return (await countOrders(tx, lanes)) < lanes.length;
}

/** The open orders that are still to be canceled; where the session is to be flat all but those that close its position. */
export async function ordersToCancel(
  db: { sql: Sql },
  session: Pick<Session, "id" | "accountId">,
  flattens: boolean,
): Promise<string[]> {
  return (await openOrdersOfSession(db, session))
    .filter(({ order, cancelRequested }) => !cancelRequested && !(flattens && closes(order)))
    .map(({ order }) => order.id);
}

/** Market orders that reduce: to cancel one would only lead to another one like it. */
function closes({ reduceOnly, style }: Order): boolean {
  return reduceOnly && style.type === "MARKET";
}

/**
 * Asks for the cancel of one order, once. The lane is locked before the order's row, as the order's worker does it: the
 * other way round each would wait for the other. An order that has closed meanwhile takes the task back with it.
 */
export async function askToCancel(
  { deps }: TrackerContext,
  payload: { orderId: string; sessionId: string; reason: string },
  fenced: FencedTransaction,
): Promise<void> {
  const { orderId } = payload;
  const asked = fenced(async (tx) => {
    await deps.queue.enqueue(tx, { task: CANCEL_ORDER, lane: orderId, payload, priority: FIRST });
    if (await requestCancel(tx, orderId)) return;
    throw new AppError("PRECONDITION_FAILED", "permanent", `The order ${orderId} has no cancel to ask for any more.`);
  });
  await asked.catch((error: unknown) => {
    if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
  });
}

/** Whether a position is left that an order could close. Risk is asked once, and again when it has answered. */
export async function askToFlatten(
  tx: Tx,
  { deps }: TrackerContext,
  of: { session: Pick<Session, "id" | "run" | "version">; held: Holdings; killId?: string },
): Promise<boolean> {
  const { session, held, killId } = of;
  if (held.closable.length === 0) return false;
  const { id: sessionId, run, version } = session;
  if (await deps.queue.isWaiting(tx, FLATTEN_POSITION, sessionId)) return true;
  for (const { instrument, mark, marketAtMs } of held.closable) {
    const asked = { sessionId, run, version, instrumentId: instrument.id, mark, marketAtMs };
    const payload = killId === undefined ? asked : { ...asked, killId };
    await deps.queue.enqueue(tx, { task: FLATTEN_POSITION, lane: sessionId, payload, priority: FIRST });
  }
  return true;
}
