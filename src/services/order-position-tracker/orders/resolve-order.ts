import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { reportFault } from "#services/order-position-tracker/session/fault-watch.ts";
import type { Order } from "#shared/domain/order.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { ABSENT } from "#shared/orders/order-state.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { intentOf, marketTimeOf } from "./intent.ts";
import { whyNotSent } from "./may-send.ts";
import { type NextMove, NOTHING_TO_DO } from "./next-move.ts";
import { lockOrder } from "./order-store.ts";
import { settleTask } from "./settle-task.ts";
import { lockStanding, type Standing } from "./standing-store.ts";
import { absentInMs, traceOrder } from "./trace-order.ts";

/**
 * Finds out what became of an order that may have been sent. The venue is asked for the order and for its fills. What it knows
 * is booked. Where it knows nothing it is asked again, until the order is proven absent (`absentInMs`). Only then may it be sent
 * again, but never while an execution that can not be read may be its own.
 */
export async function resolveOrder(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
): Promise<NextMove> {
  const trace = await traceOrder(context, order).catch((error: unknown) => {
    // The trace reads our own rows too.
    if (hasCode(error, "DATABASE_UNAVAILABLE")) throw error;
    return messageOf(error);
  });
  if (typeof trace === "string") {
    context.deps.log.warn({ orderId: order.id, error: trace }, "order not resolved: the venue does not answer");
    return putOff(lane, context, task, order);
  }
  if (trace.order !== null || trace.fills.length > 0) {
    const said = { orders: trace.order === null ? [] : [trace.order], fills: trace.fills };
    const report = await context.recorder.prepare(order.accountId, said);
    const state = await lane.step(async (tx) => {
      const recorded = await context.recorder.record(tx, report, { listed: true });
      return settleTask(tx, context, task, recorded.orders.get(order.id) ?? order);
    });
    context.deps.log.info({ orderId: order.id, state }, "unknown order resolved");
    return NOTHING_TO_DO;
  }
  const leftMs = absentInMs(context, order, trace);
  if (leftMs === null || leftMs > 0) return putOff(lane, context, task, order, leftMs ?? undefined);
  context.deps.log.warn({ orderId: order.id, attempt: order.attempt }, "order proven absent at the venue");
  return sendAgainOrReject(lane, context, task, order, trace.unreadable ? MAY_BE_UNREADABLE : null);
}

const MAY_BE_UNREADABLE = codedReason(
  ABSENT,
  "the venue knows no such order, and lists an execution that can not be read: it may be this order's, see GET /unbooked.",
);

const LONGEST_PAUSE_MS = 5_000;

/**
 * The question is put off, for longer the longer the order has waited: the venue counts what it is asked. After `atMostMs` it is
 * asked at the latest, since the answer is the proof then.
 */
async function putOff(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
  atMostMs?: number,
): Promise<NextMove> {
  const { R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: intervalMs } = context.settings;
  const waitedMs = context.serverClocks.nowMs(order.accountId) - (order.signedAtMs ?? 0);
  const pauseMs = Math.max(intervalMs, Math.min(waitedMs / 4, LONGEST_PAUSE_MS));
  const delayMs = Math.round(Math.min(pauseMs, atMostMs ?? pauseMs));
  await lane.step(async (tx) => void settleTask(tx, context, task, (await lockOrder(tx, order.id)) ?? order, delayMs));
  return NOTHING_TO_DO;
}

/**
 * Of an order that never took effect the next intent is committed, with the same id and a new window; it is sent next. Where the
 * order may not be sent any more it is REJECTED. `against`: why it is not to be sent in any case; its session is faulted then.
 */
export async function sendAgainOrReject(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
  against: string | null = null,
): Promise<NextMove> {
  return lane.step(async (tx): Promise<NextMove> => {
    const standing = await lockStanding(tx, context, order);
    const now = standing.order ?? order;
    if (now.state !== "SUBMITTED" && now.state !== "UNKNOWN") {
      settleTask(tx, context, task, now);
      return NOTHING_TO_DO;
    }
    const { recorder, deps } = context;
    const reason = against ?? (await whyNotAgain(tx, context, { order, standing }));
    if (reason !== null) {
      // Whoever decided it would decide the same again, and it may be done already.
      if (against !== null) await reportFault(tx, deps, { sessionId: now.sessionId, reason });
      settleTask(tx, context, task, await recorder.change(tx, now, { kind: "state", to: "REJECTED", reason }));
      return NOTHING_TO_DO;
    }
    const unknown = await recorder.change(tx, now, { kind: "state", to: "UNKNOWN" });
    const patch = intentOf(context, now);
    const again = await recorder.change(tx, unknown, { kind: "state", to: "SUBMITTED" }, { patch });
    return { move: "send", order: again };
  });
}

async function whyNotAgain(
  tx: LaneTx,
  context: TrackerContext,
  { order, standing }: { order: Order; standing: Standing },
): Promise<string | null> {
  if (order.attempt >= context.settings.R3_ORDER_POSITION_TRACKER_MAX_ATTEMPTS)
    return codedReason(ABSENT, "no attempt reached the venue.");
  const refused = await whyNotSent(standing, order, () => marketTimeOf(tx, context, order));
  if (refused === null) return null;
  const codes = refused.code === null ? ABSENT : [ABSENT, refused.code];
  return codedReason(codes, `the venue has not taken it, and it is not sent again. ${upperFirst(refused.why)}`);
}

/** A reason as a sentence of its own. */
function upperFirst(reason: string): string {
  return reason.slice(0, 1).toUpperCase() + reason.slice(1);
}
