import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Order } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { ABSENT, isTerminal, openStateOf } from "#shared/orders/order-state.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { endIfLost } from "./lost-order.ts";
import { type NextMove, NOTHING_TO_DO } from "./next-move.ts";
import { forgetCancelRequest, lockOrder } from "./order-store.ts";
import { settleTask } from "./settle-task.ts";
import { absentInMs, fillsOfOrder, traceOrder } from "./trace-order.ts";

/** The commit that takes the lane: the order is PENDING_CANCEL before the venue is asked. Closed orders need nothing. */
export async function beginCancel(
  tx: LaneTx,
  { recorder }: TrackerContext,
  task: Task,
  wanted: { orderId: string; reason: string },
): Promise<NextMove> {
  const order = await lockOrder(tx, wanted.orderId);
  if (order === null || isTerminal(order.state)) {
    tx.complete(task, { state: order?.state ?? "unknown order" });
    return NOTHING_TO_DO;
  }
  if (order.state === "INITIALIZED") {
    const reason = `${wanted.reason} The order was not sent.`;
    tx.complete(task, { state: (await recorder.change(tx, order, { kind: "state", to: "CANCELED", reason })).state });
    return NOTHING_TO_DO;
  }
  const pending = await recorder.change(tx, order, { kind: "state", to: "PENDING_CANCEL", reason: wanted.reason });
  return { move: "cancel", order: pending };
}

/**
 * Asks the venue to cancel. Whatever it answers, its fills are booked before the order's end. An order that it does not
 * know may be on its way to it yet: only once it is proven absent is it over.
 */
export async function cancelOrder(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
): Promise<NextMove> {
  const { deps, recorder } = context;
  const said = await askVenue(context, order).catch((error: unknown) => messageOf(error));
  if (typeof said === "string") {
    deps.log.warn({ orderId: order.id, error: said }, "cancel not answered, it is asked for again");
    await lane.step(async (tx) => void settleTask(tx, context, task, (await lockOrder(tx, order.id)) ?? order));
    return NOTHING_TO_DO;
  }
  const report = await recorder.prepare(order.accountId, said);
  await lane.step(async (tx) => {
    const recorded = await recorder.record(tx, report, { listed: true });
    const now = recorded.orders.get(order.id) ?? (await lockOrder(tx, order.id)) ?? order;
    settleTask(tx, context, task, now.state === "PENDING_CANCEL" ? await endCancel(tx, context, now, said) : now);
  });
  return NOTHING_TO_DO;
}

/** What a cancel that is still pending comes to by the venue's word. */
async function endCancel(tx: LaneTx, context: TrackerContext, order: Order, said: Said): Promise<Order> {
  const { recorder } = context;
  const { refused, absent, unknownAtMs } = said;
  // The venue has had it once: then it is not the cancel that ends it.
  if (unknownAtMs !== null && order.venueOrderId !== null) return endIfLost(tx, context, order, unknownAtMs);
  if (absent) {
    const reason = codedReason(ABSENT, "the venue knows no such order, and takes it no more.");
    return recorder.change(tx, order, { kind: "state", to: "CANCELED", reason });
  }
  if (!refused) return order;
  await forgetCancelRequest(tx, order.id);
  return recorder.change(tx, order, { kind: "state", to: openStateOf(order) });
}

/** The venue's word about a cancel. */
interface Said {
  orders: VenueOrder[];
  fills: VenueFill[];
  /** It says that the order is open all the same. */
  refused: boolean;
  /** It does not know the order: when it was asked, by our clock. */
  unknownAtMs: number | null;
  /** And it would not take it any more. */
  absent: boolean;
}

async function askVenue(context: TrackerContext, order: Order): Promise<Said> {
  const account = context.deps.exchanges.account(order.accountId);
  const instrument = await context.instruments.byId(order.instrumentId);
  const { clientOrderId } = order;
  const askedAtMs = context.deps.clock.nowMs();
  const outcome = await account.cancel({ instrument, clientOrderId });
  if (outcome.kind === "not-open") {
    const trace = await traceOrder(context, order);
    const orders = trace.order === null ? [] : [trace.order];
    const refused = trace.order?.status === "NEW" || trace.order?.status === "PARTIALLY_FILLED";
    const unknownAtMs = trace.order === null ? askedAtMs : null;
    return { orders, fills: trace.fills, refused, unknownAtMs, absent: absentInMs(context, order, trace) === 0 };
  }
  const { venueOrderId } = outcome.order;
  const fills = await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId });
  // Binance names a canceled order by the cancel's own id; we asked for ours.
  return { orders: [{ ...outcome.order, clientOrderId }], fills, refused: false, unknownAtMs: null, absent: false };
}
