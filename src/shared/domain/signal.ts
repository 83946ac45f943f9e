import { z } from "zod";
import { epochMs, positiveDecimal, stampMs } from "./schemas.ts";
import { marksSchema } from "./session.ts";

export const sideSchema = z.enum(["BUY", "SELL"]);
export type Side = z.infer<typeof sideSchema>;

export const timeInForceSchema = z.enum(["GTC", "IOC", "FOK"]);
export type TimeInForce = z.infer<typeof timeInForceSchema>;

/** How a signal's order is to be worked. */
export const orderStyleSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("MARKET").describe("At whatever price there is") }),
  z.object({
    type: z.literal("LIMIT").describe("At this price or a better one"),
    price: positiveDecimal.describe("Worst price at which it may be executed"),
    timeInForce: timeInForceSchema.describe("How long it waits: GTC until canceled, IOC and FOK not at all"),
  }),
]);
export type OrderStyle = z.infer<typeof orderStyleSchema>;

/** What a strategy wants, before risk. `enter`: sized by the session's policy. `exit`: the whole position. */
export const intentSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("enter"), side: sideSchema, style: orderStyleSchema }),
  z.object({ kind: z.literal("exit"), style: orderStyleSchema }),
]);
export type Intent = z.infer<typeof intentSchema>;

/** A signal with the marks it saw: risk sizes from those, never from a cache. */
export const signalSchema = z.object({
  id: z.uuid(),
  sessionId: z.string(),
  /** The session's start this signal belongs to. */
  run: z.number().int().positive(),
  /** Dense number within the session, from 1. */
  number: z.number().int().positive(),
  instrumentId: z.string(),
  intent: intentSchema,
  marks: marksSchema,
  /** Number of the newest candle it saw. */
  candleN: z.number().int().positive(),
  /** Market clock: the close of the candle it saw, or the newest trade of one that still forms. */
  marketAtMs: epochMs,
  /** Market clock; null: for ever. */
  validUntilMs: epochMs.nullable(),
  /** When the frame that caused it reached data-collect, and when the executor made it (wall clock). */
  receivedAtMs: stampMs,
  createdAtMs: stampMs,
});
export type Signal = z.infer<typeof signalSchema>;

/** Stable codes of denials. A code is never given another meaning. */
export const DENIAL_CODES = [
  "SESSION_NOT_TRADING",
  "SESSION_PAUSED",
  "SESSION_DEGRADED",
  "BOOK_INCOMPLETE",
  "ACCOUNT_REDUCING",
  "ACCOUNT_HALTED",
  "RISK_PAUSED",
  "RISK_REDUCING",
  "RISK_HALTED",
  "EXIT_PAUSED",
  "SIGNAL_EXPIRED",
  "SIGNAL_STALE_RUN",
  "INSTRUMENT_NOT_TRADING",
  "SIDE_NOT_SUPPORTED",
  "NO_POSITION",
  "SIZE_BELOW_MINIMUM",
  "SIZE_ABOVE_MAXIMUM",
  "NOTIONAL_BELOW_MINIMUM",
  "NOTIONAL_ABOVE_MAXIMUM",
  "PRICE_NOT_ON_STEP",
  "PRICE_TOO_FAR",
  "INSUFFICIENT_BALANCE",
  "MAX_ORDER_NOTIONAL",
  "MAX_POSITION_NOTIONAL",
] as const;
export const denialCodeSchema = z.enum(DENIAL_CODES);
export type DenialCode = z.infer<typeof denialCodeSchema>;
