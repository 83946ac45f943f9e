import type { Order } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";
import { isTerminal, openStateOf } from "#shared/orders/order-state.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { lockOrder } from "./order-store.ts";
import type { Parts } from "./parts.ts";
import type { NextMove } from "./place-order.ts";
import { fillsSinceCursor } from "./resolve-order.ts";
import { settleTask } from "./settled.ts";

/** The commit that takes the lane: the order is PENDING_CANCEL before the venue is asked. Closed orders need nothing. */
export async function beginCancel(
  tx: LaneTx,
  { recorder }: Parts,
  task: Task,
  wanted: { orderId: string; reason: string },
): Promise<NextMove> {
  const order = await lockOrder(tx, wanted.orderId);
  if (order === null || isTerminal(order.state)) {
    tx.complete(task, { state: order?.state ?? "unknown order" });
    return { move: "nothing" };
  }
  const pending = await recorder.change(tx, order, { kind: "state", to: "PENDING_CANCEL", reason: wanted.reason });
  return { move: "cancel", order: pending };
}

/** Asks the venue to cancel. Whatever it answers, its fills are booked before the order's end. */
export async function cancelOrder(lane: LeasedLane, parts: Parts, task: Task, order: Order): Promise<void> {
  const { deps, recorder } = parts;
  const said = await askVenue(parts, order).catch((error: unknown) => messageOf(error));
  if (typeof said === "string") {
    deps.log.warn({ orderId: order.id, error: said }, "cancel not answered, it is asked for again");
    await lane.step(async (tx) => void settleTask(tx, parts, task, (await lockOrder(tx, order.id)) ?? order));
    return;
  }
  const word = await recorder.hear(order.accountId, said);
  await lane.step(async (tx) => {
    const recorded = await recorder.record(tx, word);
    const now = recorded.orders.get(order.id) ?? order;
    const refused = now.state === "PENDING_CANCEL" && said.stillOpen;
    const back = refused ? await recorder.change(tx, now, { kind: "state", to: openStateOf(now) }) : now;
    settleTask(tx, parts, task, back);
  });
}

async function askVenue(parts: Parts, order: Order) {
  const account = parts.deps.exchanges.account(order.accountId);
  const instrument = await parts.instruments.byId(order.instrumentId);
  const { clientOrderId } = order;
  const outcome = await account.cancel({ instrument, clientOrderId });
  const found: VenueOrder | null =
    outcome.kind === "canceled" ? outcome.order : await account.order({ instrument, clientOrderId });
  const listed = found === null ? [] : await fillsSinceCursor(parts, account, instrument);
  const fills = listed
    .filter((fill) => fill.venueOrderId === found?.venueOrderId)
    .map((fill) => ({ ...fill, clientOrderId }));
  // Binance names a canceled order by the cancel's own id; we asked for ours.
  const orders = found === null ? [] : [{ ...found, clientOrderId }];
  return { orders, fills, stillOpen: found?.status === "NEW" || found?.status === "PARTIALLY_FILLED" };
}
