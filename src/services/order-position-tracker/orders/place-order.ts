import { type Batch, write } from "#services/order-position-tracker/money/book-store.ts";
import type { Parts } from "#services/order-position-tracker/parts.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { PlaceOutcome } from "#shared/exchange/exchange.ts";
import { event, ORDERS } from "#shared/messages/topics.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { isExpired } from "#shared/risk/validity-rule.ts";
import { lockIntent, type NextIntent, type Standing } from "./intent-store.ts";
import { lockOrder } from "./order-store.ts";
import { resolveOrder, sendAgainOrReject, traceOrder } from "./resolve-order.ts";
import { banLeftMs, refuseBySession, refuseByState, settleTask } from "./settled.ts";

/** What the first step of a task found to be done. */
export type NextMove = { move: "nothing" } | { move: "send" | "resolve" | "cancel"; order: Order };

/**
 * The commit that takes the lane: the intent, with the window in which the venue may take it, before anything is sent. An
 * order that is there already was in someone else's hands: it is UNKNOWN and has to be asked for. `ahead`: how the order
 * stands, where it was read with the lane's lease.
 */
export async function beginPlacing(
  tx: LaneTx,
  parts: Parts,
  { task, request, ahead = null }: { task: Task; request: OrderRequest; ahead?: NextIntent | null | undefined },
): Promise<NextMove> {
  const standing = ahead?.orderId === request.id ? ahead.standing : await lockIntent(tx, parts, request);
  const { order: found, toldMs } = standing;
  if (found !== null && found.state !== "INITIALIZED") {
    if (found.state !== "SUBMITTED" && found.state !== "UNKNOWN") {
      tx.complete(task, { state: found.state });
      return { move: "nothing" };
    }
    const unknown: Order = await parts.recorder.change(tx, found, { kind: "state", to: "UNKNOWN" });
    return { move: "resolve", order: unknown };
  }
  const order = found ?? newOrder(request);
  const { deps, settings, serverClocks } = parts;
  const closed = closedUnsent(parts, request, standing);
  if (closed !== null) {
    const stateReason = `${closed.why} The order was not sent.`;
    writeFirst(tx, parts, found === null, { ...order, state: closed.state, stateReason, version: order.version + 1 });
    tx.complete(task, { state: closed.state });
    return { move: "nothing" };
  }
  const waitMs = banLeftMs(parts, task, { accountId: order.accountId, toldMs });
  if (waitMs > 0) {
    const until = new Date(deps.clock.nowMs() + waitMs).toISOString();
    const waiting = { ...order, stateReason: `It waits until ${until}: the venue takes nothing from here before.` };
    void write(tx, deps.clock.nowMs(), rowOf(waiting, found === null));
    tx.retryIn(task, waitMs);
    return { move: "nothing" };
  }
  const submitted: Order = {
    ...order,
    state: "SUBMITTED",
    stateReason: null,
    attempt: 1,
    signedAtMs: serverClocks.nowMs(order.accountId),
    recvWindowMs: settings.R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS,
    submittedAtMs: deps.clock.stampMs(),
    version: order.version + 1,
  };
  writeFirst(tx, parts, found === null, submitted);
  return { move: "send", order: submitted };
}

/** How an order ends that is not to be sent any more: what risk saw may have changed since. Null: it is to be sent. */
function closedUnsent(
  { deps: { exchanges } }: Parts,
  request: OrderRequest,
  standing: Standing,
): { state: "CANCELED" | "DENIED" | "EXPIRED"; why: string } | null {
  const { accountId, reduceOnly } = request;
  const why = refuseBySession(standing.session, reduceOnly);
  if (why !== null) return { state: "CANCELED", why };
  const denied = refuseByState(standing, reduceOnly);
  if (denied !== null) return { state: "DENIED", why: denied };
  const marketNowMs = exchanges.marketNowMs(exchanges.account(accountId).venue);
  return isExpired(request, marketNowMs) ? { state: "EXPIRED", why: "Its signal is not valid any more." } : null;
}

/** Not to be waited for: it travels with the commit. */
function writeFirst(tx: LaneTx, { deps }: Parts, isNew: boolean, order: Order): void {
  const from = "INITIALIZED";
  deps.bus.publish(tx, [
    event(ORDERS, order.sessionId, "order.changed", { from, order }, { correlationId: order.signalId }),
  ]);
  const events = [{ type: "order.changed", from, order }] as const;
  void write(tx, deps.clock.nowMs(), { ...rowOf(order, isNew), events });
}

function rowOf(order: Order, isNew: boolean): Batch {
  return isNew ? { newOrders: [order] } : { orders: [{ order, filledQuote: null }] };
}

type Sent = PlaceOutcome | { kind: "lost"; reason: string };

/** Sends an intent that is committed, and commits the answer with the end of the task. */
export async function sendOrder(lane: LeasedLane, parts: Parts, task: Task, order: Order): Promise<void> {
  const { deps, serverClocks, recorder } = parts;
  const context = { order: order.number, sessionId: order.sessionId };
  const instrument = await parts.instruments.byId(order.instrumentId);
  deps.failpoints.hit("tracker.intent-committed", context);
  let sentAtMs: number | null = null;
  const sent = await place(parts, order, instrument, () => {
    sentAtMs = deps.clock.stampMs();
  });
  deps.failpoints.hit("tracker.order-sent", context);
  if (sent.kind === "accepted") {
    const word = await recorder.hear(order.accountId, { orders: [sent.order], fills: sent.fills });
    const { state } = await parts.answers.record(word, () =>
      lane.step(async (tx) => {
        const stamp = sentAtMs === null ? undefined : { orderId: order.id, atMs: sentAtMs };
        const recorded = await recorder.record(tx, word, { sent: stamp });
        return { recorded, state: settleTask(tx, parts, task, recorded.orders.get(order.id) ?? order) };
      }),
    );
    deps.log.info({ orderId: order.id, sessionId: order.sessionId, state }, "order sent");
    return;
  }
  if (sent.kind === "rejected") return rejected(lane, parts, { task, order, ...sent });
  if (sent.kind === "window-passed") {
    await serverClocks.measure(order.accountId).catch((error: unknown) => {
      deps.log.warn({ accountId: order.accountId, error: messageOf(error) }, "server clock not measured");
    });
    // The venue refuses this attempt, and says nothing of those before it.
    if (await mayBeAtVenue(parts, order)) return askAndGoOn(lane, parts, task, order);
    const again = await sendAgainOrReject(lane, parts, task, order);
    return again === null ? undefined : sendOrder(lane, parts, task, again);
  }
  const isTaken = sent.kind !== "not-taken";
  deps.log.warn({ orderId: order.id, reason: sent.reason }, isTaken ? "answer of the venue lost" : "order not taken");
  await lane.step(async (tx) => {
    const now = (await lockOrder(tx, order.id)) ?? order;
    const to = { kind: "state", to: "UNKNOWN", reason: sent.reason } as const;
    const patch = isTaken || now.attempt > 1 ? {} : NO_ATTEMPT;
    settleTask(tx, parts, task, now.state === "SUBMITTED" ? await recorder.change(tx, now, to, patch) : now);
  });
}

/** Of a first attempt without effect: nothing has to be proven before it is sent again. */
const NO_ATTEMPT = { attempt: 0, signedAtMs: null, recvWindowMs: null } as const;

async function place(
  parts: Parts,
  order: Order,
  instrument: Awaited<ReturnType<Parts["instruments"]["byId"]>>,
  onSent: () => void,
): Promise<Sent> {
  const { clientOrderId, side, style, size, signedAtMs, recvWindowMs } = order;
  if (signedAtMs === null || recvWindowMs === null) throw new RangeError("An order without an intent is never sent.");
  const request = { instrument, clientOrderId, side, style, size, signedAtMs, recvWindowMs, onSent };
  try {
    return await parts.deps.exchanges.account(order.accountId).place(request);
  } catch (error) {
    // Whatever went wrong, the request may have left: only the venue can say.
    return { kind: "lost", reason: messageOf(error) };
  }
}

/** A refusal ends the order; of a later attempt it may mean that an earlier one is there after all, so the venue is asked. */
async function rejected(
  lane: LeasedLane,
  parts: Parts,
  of: { task: Task; order: Order; code: string; reason: string },
): Promise<void> {
  const { task, order, code, reason } = of;
  if (await mayBeAtVenue(parts, order)) return askAndGoOn(lane, parts, task, order);
  await lane.step(async (tx) => {
    const now = (await lockOrder(tx, order.id)) ?? order;
    const to = { kind: "state", to: "REJECTED", reason: `${code}: ${reason}` } as const;
    const ended = now.state === "SUBMITTED" ? await parts.recorder.change(tx, now, to) : now;
    settleTask(tx, parts, task, ended);
  });
  parts.deps.log.warn({ orderId: order.id, code }, "order rejected");
}

/** Whether an attempt before the last may have taken effect: the venue is asked, for the order and for fills. */
async function mayBeAtVenue(parts: Parts, order: Order): Promise<boolean> {
  if (order.attempt <= 1) return false;
  try {
    const trace = await traceOrder(parts, order);
    return trace.order !== null || trace.fills.length > 0 || trace.doubtful || trace.unreadable;
  } catch (error) {
    parts.deps.log.warn({ orderId: order.id, error: messageOf(error) }, "earlier attempts not asked for");
    return true;
  }
}

async function askAndGoOn(lane: LeasedLane, parts: Parts, task: Task, order: Order): Promise<void> {
  const again = await resolveOrder(lane, parts, task, order);
  return again === null ? undefined : sendOrder(lane, parts, task, again);
}
