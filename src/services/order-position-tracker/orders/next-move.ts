import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Order } from "#shared/domain/order.ts";
import type { LeasedLane, Task } from "#shared/queue/queue.ts";

/** What is to be done for an order's task next. */
export type NextMove = { move: "nothing" } | { move: "send" | "resolve" | "cancel"; order: Order };

export const NOTHING_TO_DO: NextMove = { move: "nothing" };

/** One step of an order's task: it asks the venue, commits what the venue says, and tells what comes next. */
export type OrderStep = (lane: LeasedLane, context: TrackerContext, task: Task, order: Order) => Promise<NextMove>;
