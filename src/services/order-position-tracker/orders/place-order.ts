import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { PlaceOutcome } from "#shared/exchange/exchange.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { intentOf, marketTimeOf, NO_INTENT } from "./intent.ts";
import { whyNotSent } from "./may-send.ts";
import { type NextMove, NOTHING_TO_DO } from "./next-move.ts";
import { lockOrder } from "./order-store.ts";
import { sendAgainOrReject } from "./resolve-order.ts";
import { banLeftMs, settleTask } from "./settle-task.ts";
import { lockStanding, type NextStanding } from "./standing-store.ts";
import { traceOrder } from "./trace-order.ts";

/**
 * The commit that takes the lane: the intent, with the window in which the venue may take it, before anything is sent. An
 * order that is there already was in someone else's hands: it is UNKNOWN and has to be asked for. `ahead`: how the order
 * stands, where it was read with the lane's lease.
 */
export async function beginPlacing(
  tx: LaneTx,
  context: TrackerContext,
  { task, request, ahead = null }: { task: Task; request: OrderRequest; ahead?: NextStanding | null | undefined },
): Promise<NextMove> {
  const standing = ahead?.orderId === request.id ? ahead.standing : await lockStanding(tx, context, request);
  const { order: found, toldMs } = standing;
  if (found !== null && found.state !== "INITIALIZED") {
    if (found.state !== "SUBMITTED" && found.state !== "UNKNOWN") {
      tx.complete(task, { state: found.state });
      return NOTHING_TO_DO;
    }
    const unknown: Order = await context.recorder.change(tx, found, { kind: "state", to: "UNKNOWN" });
    return { move: "resolve", order: unknown };
  }
  const order = found ?? newOrder(request);
  const isNew = found === null;
  const { deps, recorder } = context;
  // Asked for last: an account may not be in the settings any more, and what is refused by its session ends all the same.
  const refused = await whyNotSent(standing, order, () => marketTimeOf(tx, context, order));
  if (refused !== null) {
    const why = `${refused.why} The order was not sent.`;
    const reason = refused.code === null ? why : codedReason(refused.code, why);
    await recorder.change(tx, order, { kind: "state", to: refused.state, reason }, { isNew });
    tx.complete(task, { state: refused.state });
    return NOTHING_TO_DO;
  }
  const waitMs = banLeftMs(context, task, { accountId: order.accountId, toldMs });
  if (waitMs > 0) {
    const until = new Date(deps.clock.nowMs() + waitMs).toISOString();
    const stateReason = `It waits until ${until}: the venue takes nothing from here before.`;
    recorder.note(tx, { ...order, stateReason }, isNew);
    tx.retryIn(task, waitMs);
    return NOTHING_TO_DO;
  }
  const patch = intentOf(context, order);
  const submitted = await recorder.change(tx, order, { kind: "state", to: "SUBMITTED" }, { isNew, patch });
  return { move: "send", order: submitted };
}

type Sent = PlaceOutcome | { kind: "lost"; reason: string };

/** Sends an intent that is committed, and commits the answer with the end of the task. */
export async function sendOrder(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
): Promise<NextMove> {
  const { deps, serverClocks, recorder } = context;
  const at = { order: order.number, sessionId: order.sessionId };
  const instrument = await context.instruments.byId(order.instrumentId);
  deps.failpoints.hit("tracker.intent-committed", at);
  let sentAtMs: number | null = null;
  const sent = await place(context, order, instrument, () => {
    sentAtMs = deps.clock.stampMs();
  });
  deps.failpoints.hit("tracker.order-sent", at);
  if (sent.kind === "accepted") {
    const report = await recorder.prepare(order.accountId, { orders: [sent.order], fills: sent.fills });
    const { state } = await context.answers.remember(report, () =>
      lane.step(async (tx) => {
        const stamp = sentAtMs === null ? undefined : { orderId: order.id, atMs: sentAtMs };
        const recorded = await recorder.record(tx, report, { sent: stamp });
        return { recorded, state: settleTask(tx, context, task, recorded.orders.get(order.id) ?? order) };
      }),
    );
    deps.log.info({ orderId: order.id, sessionId: order.sessionId, state }, "order sent");
    return NOTHING_TO_DO;
  }
  if (sent.kind === "rejected") return rejected(lane, context, { task, order, ...sent });
  if (sent.kind === "window-passed") {
    await serverClocks.measure(order.accountId).catch((error: unknown) => {
      deps.log.warn({ accountId: order.accountId, error: messageOf(error) }, "server clock not measured");
    });
    // The venue refuses this attempt, and says nothing of those before it.
    if (await mayBeAtVenue(context, order)) return { move: "resolve", order };
    return sendAgainOrReject(lane, context, task, order);
  }
  const mayBeTaken = sent.kind !== "not-taken";
  deps.log.warn(
    { orderId: order.id, reason: sent.reason },
    mayBeTaken ? "answer of the venue lost" : "order not taken",
  );
  await lane.step(async (tx) => {
    const now = (await lockOrder(tx, order.id)) ?? order;
    const to = { kind: "state", to: "UNKNOWN", reason: sent.reason } as const;
    const patch = mayBeTaken || now.attempt > 1 ? {} : NO_INTENT;
    settleTask(tx, context, task, now.state === "SUBMITTED" ? await recorder.change(tx, now, to, { patch }) : now);
  });
  return NOTHING_TO_DO;
}

async function place(
  context: TrackerContext,
  order: Order,
  instrument: Awaited<ReturnType<TrackerContext["instruments"]["byId"]>>,
  onSent: () => void,
): Promise<Sent> {
  const { clientOrderId, side, style, size, signedAtMs, recvWindowMs } = order;
  if (signedAtMs === null || recvWindowMs === null) throw new RangeError("An order without an intent is never sent.");
  const request = { instrument, clientOrderId, side, style, size, signedAtMs, recvWindowMs, onSent };
  try {
    return await context.deps.exchanges.account(order.accountId).place(request);
  } catch (error) {
    // Whatever went wrong, the request may have left: only the venue can say.
    return { kind: "lost", reason: messageOf(error) };
  }
}

/** A refusal ends the order; of a later attempt it may mean that an earlier one is there after all, so the venue is asked. */
async function rejected(
  lane: LeasedLane,
  context: TrackerContext,
  of: { task: Task; order: Order; code: string; reason: string },
): Promise<NextMove> {
  const { task, order, code, reason } = of;
  if (await mayBeAtVenue(context, order)) return { move: "resolve", order };
  await lane.step(async (tx) => {
    const now = (await lockOrder(tx, order.id)) ?? order;
    const to = { kind: "state", to: "REJECTED", reason: codedReason(code, reason) } as const;
    const ended = now.state === "SUBMITTED" ? await context.recorder.change(tx, now, to) : now;
    settleTask(tx, context, task, ended);
  });
  context.deps.log.warn({ orderId: order.id, code }, "order rejected");
  return NOTHING_TO_DO;
}

/** Whether an attempt before the last may have taken effect: the venue is asked, for the order and for fills. */
async function mayBeAtVenue(context: TrackerContext, order: Order): Promise<boolean> {
  if (order.attempt <= 1) return false;
  try {
    const trace = await traceOrder(context, order);
    return trace.order !== null || trace.fills.length > 0 || trace.doubtful || trace.unreadable;
  } catch (error) {
    context.deps.log.warn({ orderId: order.id, error: messageOf(error) }, "earlier attempts not asked for");
    return true;
  }
}
