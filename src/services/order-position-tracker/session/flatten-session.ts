import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { openOrdersOfSession } from "#services/order-position-tracker/orders/order-store.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Tx } from "#shared/db/db.ts";
import { readSession } from "#shared/db/reference-rows.ts";
import type { FLATTEN_SESSION, FlattenSession } from "#shared/messages/tasks.ts";
import type { LaneTx, LeasedLane, TaskOf, TaskOutcome } from "#shared/queue/queue.ts";
import { anyUnsent, askToCancel, askToFlatten, ordersToCancel } from "./end-orders.ts";
import { readHoldings } from "./holdings.ts";
import { isStandingKill, noteFlat } from "./kill-store.ts";

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
    const outcome = await endOf(tx, context, task.payload);
    if (outcome === null) await lookAgain(tx, context, task);
    else {
      await clearAlert(tx, context.deps, notFlatOf(sessionId));
      tx.complete(task, outcome);
    }
  });
}

/** Null: it is not flat yet, and all that can be asked for is. */
async function endOf(tx: Tx, context: TrackerContext, payload: FlattenSession): Promise<TaskOutcome | null> {
  const { killId, sessionId: id, accountId } = payload;
  if (!(await isStandingKill(tx, killId))) return { state: "released" };
  // Before the open orders: what is begun between the two is open by then.
  if (await anyUnsent(tx, context, { id })) return null;
  if ((await openOrdersOfSession(tx, { id, accountId })).length > 0) return null;
  const session = await readSession(tx.sql, id);
  const held = await readHoldings(tx, id);
  if (session !== null && (await askToFlatten(tx, context, { session, held, killId }))) return null;
  await noteFlat(tx, { killId, sessionId: id, left: held.left, atMs: context.deps.clock.nowMs() });
  tx.afterCommit(() => context.deps.log.warn({ killId, sessionId: id, left: held.left }, "session flat"));
  return { state: "flat", left: held.left };
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
