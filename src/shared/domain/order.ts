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
  id: z.uuid().describe("The order's id"),
  clientOrderId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,36}$/)
    .describe("At most 36 of [A-Za-z0-9_-]: the session's code, a dash and the number. The same on every attempt"),
  sessionId: z.string().describe("Whose order it is"),
  number: z.number().int().positive().describe("Number within the session, from 1, without a gap"),
  signalId: z.string().describe("The signal that led to it"),
  signalOrders: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe(
      "How many orders the decision of its signal made: the signal is done once all of them have ended (FIX TotNoOrders)",
    ),
  accountId: z.string().describe("The account that it is sent with"),
  instrumentId: z.string().describe("What is traded"),
  side: sideSchema.describe("BUY or SELL"),
  style: orderStyleSchema.describe("How it is to be worked"),
  size: positiveDecimal.describe("In the base asset; a multiple of the instrument's step"),
  reduceOnly: z.boolean().describe("Whether it may only make the position smaller"),
  marketAtMs: epochMs.describe("Market clock: the newest moment the decision knew, UTC epoch milliseconds"),
  validUntilMs: epochMs
    .nullable()
    .describe("Market clock: until when it may be sent, UTC epoch milliseconds; null: for ever"),
  receivedAtMs: stampMs.describe(
    "When the frame that led to it arrived (wall clock), UTC epoch milliseconds with a fraction",
  ),
  signalAtMs: stampMs.describe("When the strategy wanted it (wall clock), UTC epoch milliseconds with a fraction"),
  decidedAtMs: stampMs.describe("When risk decided it (wall clock), UTC epoch milliseconds with a fraction"),
});
export type OrderRequest = z.infer<typeof orderRequestSchema>;

/** An order with what became of it. `averagePrice` is made from the fills (null before the first). */
export const orderSchema = orderRequestSchema.extend({
  state: orderStateSchema.describe("What became of it so far"),
  stateReason: z
    .string()
    .nullable()
    .describe("Why it is in its state, such as the reason of a refusal; null: nothing is to be said"),
  venueOrderId: z.string().nullable().describe("The venue's own id of it; null: not known yet"),
  filledSize: nonNegativeDecimal.describe("What of its size is executed, in the base asset"),
  averagePrice: positiveDecimal.nullable().describe("Made from its fills; null before the first"),
  fees: z
    .record(z.string(), decimalText)
    .describe("Sum of the fills' fees by asset; below zero where more was credited than paid"),
  filledAtMs: epochMs.nullable().describe("Market clock of the last fill, UTC epoch milliseconds; null: it has none"),
  attempt: z.number().int().nonnegative().describe("How often it was sent"),
  signedAtMs: epochMs
    .nullable()
    .describe("The request's own time at the venue, UTC epoch milliseconds; null: not sent yet"),
  recvWindowMs: z
    .number()
    .int()
    .positive()
    .nullable()
    .describe("So long after that the venue still takes it, in milliseconds"),
  submittedAtMs: stampMs
    .nullable()
    .describe("When the intent was committed (wall clock), UTC epoch milliseconds with a fraction"),
  sentAtMs: stampMs.nullable().describe("When the request left (wall clock), UTC epoch milliseconds with a fraction"),
  version: z.number().int().positive().describe("Grows by one with each change"),
});
export type Order = z.infer<typeof orderSchema>;

/** One execution. `tradeId` is the venue's: it counts once per account and instrument. */
export const fillSchema = z.object({
  tradeId: z.string().describe("The venue's id of the execution; it counts once per account and instrument"),
  orderId: z.string().describe("The order that was executed"),
  sessionId: z.string().describe("Whose fill it is"),
  accountId: z.string().describe("The account that traded"),
  instrumentId: z.string().describe("What was traded"),
  side: sideSchema.describe("BUY or SELL"),
  price: positiveDecimal.describe("At which it was executed"),
  size: positiveDecimal.describe("In the base asset"),
  fee: decimalText.describe("In the fee asset; below zero: a rebate"),
  feeAsset: z.string().describe("What the fee was taken in"),
  maker: z.boolean().describe("Whether the order was waiting in the book"),
  atMs: epochMs.describe("Market clock of the venue, UTC epoch milliseconds"),
});
export type Fill = z.infer<typeof fillSchema>;
