import { z } from "zod";
import { orderRequestSchema } from "#shared/domain/order.ts";
import { decimalText, epochMs } from "#shared/domain/schemas.ts";
import { signalSchema } from "#shared/domain/signal.ts";
import type { TaskType } from "#shared/queue/queue.ts";

/**
 * Keeps the types of a kind of task. Its queue has the name of the service that works it, and has the REST of its dead tasks. One
 * that no other service asks for may stand in its folder.
 */
export function defineTask<const Type extends string, Payload extends z.ZodType>(
  contract: TaskType<Payload, Type>,
): TaskType<Payload, Type> {
  return contract;
}

/** strategy-executor asks risk-manager to decide. Lane: the session. */
export const DECIDE_SIGNAL = defineTask({
  queue: "risk-manager",
  type: "decide-signal",
  lane: "sessionId",
  payload: z.object({ signal: signalSchema }),
  onDead: "block",
  sessionOf: ({ signal }) => signal.sessionId,
});

/**
 * order-position-tracker asks risk-manager to close what a session that stops, or is killed, still holds. It may be asked for as often as
 * it likes: while an order of the session is open, nothing is made. Lane: the session.
 */
export const FLATTEN_POSITION = defineTask({
  queue: "risk-manager",
  type: "flatten-position",
  lane: "sessionId",
  payload: z.object({
    sessionId: z.string(),
    run: z.number().int().positive(),
    /** The session's version when it was seen STOPPING. If it has another one by now, the task does nothing. */
    version: z.number().int().positive(),
    instrumentId: z.string(),
    /** What the position is valued at, and since when, in market time. */
    mark: decimalText,
    marketAtMs: epochMs,
    /** The kill that it is closed for, whatever state the session is in. Not there: for its stop. */
    killId: z.string().optional(),
  }),
  onDead: "block",
  sessionOf: ({ sessionId }) => sessionId,
});
export type FlattenPosition = z.infer<typeof FLATTEN_POSITION.payload>;

/** risk-manager asks order-position-tracker to place an order that it has decided. Lane: the order. */
export const PLACE_ORDER = defineTask({
  queue: "order-position-tracker",
  type: "place-order",
  lane: "orderId",
  payload: z.object({ order: orderRequestSchema }),
  onDead: "block",
  sessionOf: ({ order }) => order.sessionId,
});

/**
 * risk-manager asks order-position-tracker to cancel what is open of a session and to close what it holds, for a kill; it is done
 * when the session is flat. Lane: the session.
 */
export const FLATTEN_SESSION = defineTask({
  queue: "order-position-tracker",
  type: "flatten-session",
  lane: "sessionId",
  payload: z.object({
    killId: z.string(),
    sessionId: z.string(),
    accountId: z.string(),
    /** When the kill was committed (wall clock). */
    killedAtMs: epochMs,
  }),
  // A new kill begins anew.
  onDead: "skip",
  sessionOf: ({ sessionId }) => sessionId,
});
export type FlattenSession = z.infer<typeof FLATTEN_SESSION.payload>;

/** Asks order-position-tracker to cancel an order that is open. Lane: the order. */
export const CANCEL_ORDER = defineTask({
  queue: "order-position-tracker",
  type: "cancel-order",
  lane: "orderId",
  payload: z.object({ orderId: z.string(), sessionId: z.string(), reason: z.string() }),
  onDead: "block",
  locksAtOnce: true,
  sessionOf: ({ sessionId }) => sessionId,
});

/** Runs a backtest. Lane: the run. */
export const RUN_BACKTEST = defineTask({
  queue: "backtest",
  type: "run-backtest",
  lane: "runId",
  payload: z.object({ runId: z.string() }),
  onDead: "skip",
  // A run over all of a market's history: the work itself is in a thread.
  deadlineMs: 86_400_000,
});
