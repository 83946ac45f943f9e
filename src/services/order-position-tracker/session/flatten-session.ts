import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { openOrdersOfSession } from "#services/order-position-tracker/orders/order-store.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Tx } from "#shared/db/db.ts";
import { readSession } from "#shared/db/reference-rows.ts";
import type { Order } from "#shared/domain/order.ts";
import type { FLATTEN_SESSION, FlattenSession } from "#shared/messages/tasks.ts";
import type { LaneTx, LeasedLane, TaskOf, TaskOutcome } from "#shared/queue/queue.ts";
import { anyUnsent, askToCancel, askToFlatten, ordersToCancel } from "./end-orders.ts";
import { type Holding, readHoldings } from "./holdings.ts";
import { isStandingKill, noteFlat, noteWaits } from "./kill-store.ts";

type FlattenTask = TaskOf<typeof FLATTEN_SESSION>;

/** A venue that halts an instrument may do so for a day: a kill that waits for long is looked at ever more rarely. */
const BACKOFF: Backoff = { firstMs: 200, longestMs: 5_000 };
/** Looks after which the pause doubles. */
const LOOKS_A_PAUSE = 10;
/** A session that is not flat by then is a person's: it is told of. */
const LATE_MS = 30_000;

/**
 * Makes one session flat for a kill, in whatever state it is, by what the rows say alone: it cancels what is open, asks risk to
 * close what is held, and looks again until nothing is left that an order could close. That is written with the end of the task.
 * Each step may be done twice. It ends without that where a person has ended the halt.
 */
export async function flattenSession(lane: LeasedLane, context: TrackerContext, task: FlattenTask): Promise<void> {
  const { sessionId, accountId } = task.payload;
  const session = { id: sessionId, accountId };
  const reason = "The session is killed.";
  for (const orderId of await ordersToCancel(context.deps.db, session, true))
    await askToCancel(context, { orderId, sessionId, reason }, (body) => lane.step(body));
  await lane.step(async (tx) => {
    const found = await lookAt(tx, context, task.payload);
    noteWaits(tx, { ...task.payload, waits: "waits" in found ? found.waits : null });
    if ("waits" in found) await lookAgain(tx, context, task);
    else {
      await clearAlert(tx, context.deps, notFlatOf(sessionId));
      tx.complete(task, found.outcome);
    }
  });
}

/** What a killed session has come to, or why it is not flat yet, in a sentence: all that can be asked for is asked for then. */
type Found = { outcome: TaskOutcome } | { waits: string };

async function lookAt(tx: Tx, context: TrackerContext, payload: FlattenSession): Promise<Found> {
  const { killId, sessionId: id, accountId } = payload;
  if (!(await isStandingKill(tx, killId))) return { outcome: { state: "released" } };
  // Before the open orders: what is begun between the two is open by then.
  if (await anyUnsent(tx, context, { id })) return { waits: UNSENT };
  const open = await openOrdersOfSession(tx, { id, accountId });
  const session = await readSession(tx.sql, id);
  const isOver = session?.degraded.some(({ code }) => code === "MARKET_ENDED") === true;
  if (open.length > 0) return { waits: `${sayOpen(open.map(({ order }) => order))}${isOver ? MARKET_OVER : ""}` };
  const held = await readHoldings(tx, id);
  if (session !== null && (await askToFlatten(tx, context, { session, held, killId })))
    return { waits: `${sayAsked(held.closable)}${isOver ? MARKET_OVER : ""}` };
  await noteFlat(tx, { killId, sessionId: id, left: held.left, atMs: context.deps.clock.nowMs() });
  tx.afterCommit(() => context.deps.log.warn({ killId, sessionId: id, left: held.left }, "session flat"));
  return { outcome: { state: "flat", left: held.left } };
}

const UNSENT =
  "An order of it is decided and not sent yet. Where that lasts, its task is in GET /api/order-position-tracker/dead.";
const MARKET_OVER =
  ' Its market has ended, and nothing fills there any more: POST /api/risk-manager/release with "abandon": true ends the wait.';
/** Most of the open orders that are named. */
const MOST_NAMED = 5;

function sayOpen(orders: readonly Pick<Order, "id" | "state">[]): string {
  const named = orders.slice(0, MOST_NAMED).map(({ id, state }) => `${id} (${state})`);
  const more = orders.length > MOST_NAMED ? ` and ${orders.length - MOST_NAMED} more` : "";
  const open = orders.length === 1 ? "1 order is open" : `${orders.length} orders are open`;
  return `${open} at the venue, or may be: ${named.join(", ")}${more}.`;
}

function sayAsked(held: readonly Holding[]): string {
  const what = held.map(({ size, instrument }) => `${size} ${instrument.base}`).join(" and ");
  return `risk-manager is asked to close ${what}. Where that lasts, its task is in GET /api/risk-manager/dead.`;
}

async function lookAgain(tx: LaneTx, { deps }: TrackerContext, task: FlattenTask): Promise<void> {
  const { killId, sessionId, killedAtMs } = task.payload;
  if (deps.clock.nowMs() - killedAtMs >= LATE_MS) {
    const text = `The session ${sessionId} is killed and not flat yet: GET /api/risk-manager/kill/${killId} says what it waits for.`;
    await raiseAlert(tx, deps, { ...notFlatOf(sessionId), text, data: { sessionId, killId } });
  }
  tx.retryIn(task, backoffMs(BACKOFF, 1 + Math.floor(task.attempts / LOOKS_A_PAUSE)));
}

function notFlatOf(sessionId: string) {
  return { scope: `session:${sessionId}`, kind: alerts.KILL_NOT_FLAT };
}
