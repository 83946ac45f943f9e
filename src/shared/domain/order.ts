import { z } from "zod";
import { decimalText, epochMs, nonNegativeDecimal, positiveDecimal, stampMs } from "./schemas.ts";
import { orderStyleSchema, sideSchema } from "./signal.ts";

export const ORDER_STATES = [
  "INITIALIZED",
  "DENIED",
  "HELD",
  "SUBMITTED",
  "UNKNOWN",
  "ACCEPTED",
  "TRIGGERED",
  "PARTIALLY_FILLED",
  "PENDING_UPDATE",
  "PENDING_CANCEL",
  "FILLED",
  "CANCELED",
  "EXPIRED",
  "REJECTED",
] as const;
export const orderStateSchema = z.enum(ORDER_STATES);
export type OrderState = z.infer<typeof orderStateSchema>;

/** An order as risk made it: all that is decided before a venue hears of it. */
export const orderRequestSchema = z.object({
  id: z.uuid(),
  /** At most 36 of [A-Za-z0-9_-]: the session's code, a dash and the number. The same on every attempt. */
  clientOrderId: z.string().regex(/^[A-Za-z0-9_-]{1,36}$/),
  sessionId: z.string(),
  /** Dense number within the session, from 1. */
  number: z.number().int().positive(),
  signalId: z.string(),
  /** How many orders the decision of its signal made: the signal is done once all of them have ended (FIX TotNoOrders). */
  signalOrders: z.number().int().positive().default(1),
  accountId: z.string(),
  instrumentId: z.string(),
  side: sideSchema,
  style: orderStyleSchema,
  /** In the base asset; a multiple of the instrument's step. */
  size: positiveDecimal,
  reduceOnly: z.boolean(),
  /** Market clock: the newest moment the decision knew. */
  marketAtMs: epochMs,
  validUntilMs: epochMs.nullable(),
  /** Wall clock stamps of the path, for latency figures. */
  receivedAtMs: stampMs,
  signalAtMs: stampMs,
  decidedAtMs: stampMs,
});
export type OrderRequest = z.infer<typeof orderRequestSchema>;

/** An order with what became of it. `averagePrice` is made from the fills (null before the first). */
export const orderSchema = orderRequestSchema.extend({
  state: orderStateSchema,
  stateReason: z.string().nullable(),
  venueOrderId: z.string().nullable(),
  filledSize: nonNegativeDecimal,
  averagePrice: positiveDecimal.nullable(),
  /** Sum of the fills' fees by asset; below zero where more was credited than paid. */
  fees: z.record(z.string(), decimalText),
  /** Market clock of the last fill. */
  filledAtMs: epochMs.nullable(),
  attempt: z.number().int().nonnegative(),
  signedAtMs: epochMs.nullable(),
  recvWindowMs: z.number().int().positive().nullable(),
  submittedAtMs: stampMs.nullable(),
  sentAtMs: stampMs.nullable(),
  version: z.number().int().positive(),
});
export type Order = z.infer<typeof orderSchema>;

/** One execution. `tradeId` is the venue's: it counts once per account and instrument. */
export const fillSchema = z.object({
  tradeId: z.string(),
  orderId: z.string(),
  sessionId: z.string(),
  accountId: z.string(),
  instrumentId: z.string(),
  side: sideSchema,
  price: positiveDecimal,
  size: positiveDecimal,
  /** Below zero: a rebate. */
  fee: decimalText,
  feeAsset: z.string(),
  maker: z.boolean(),
  /** Market clock of the venue. */
  atMs: epochMs,
});
export type Fill = z.infer<typeof fillSchema>;
