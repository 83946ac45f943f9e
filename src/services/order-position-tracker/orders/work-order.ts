import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { LeasedLane, Task } from "#shared/queue/queue.ts";
import { cancelOrder } from "./cancel-order.ts";
import type { NextMove, OrderStep } from "./next-move.ts";
import { sendOrder } from "./place-order.ts";
import { resolveOrder } from "./resolve-order.ts";

const STEPS: Record<Exclude<NextMove["move"], "nothing">, OrderStep> = {
  send: sendOrder,
  resolve: resolveOrder,
  cancel: cancelOrder,
};

/** What comes after the commit that took the lane, step by step until nothing is left to do for now. */
export async function workOrder(lane: LeasedLane, context: TrackerContext, task: Task, first: NextMove): Promise<void> {
  for (let next = first; next.move !== "nothing"; ) next = await STEPS[next.move](lane, context, task, next.order);
}
