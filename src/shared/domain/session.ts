import { z } from "zod";
import { decimal } from "./decimal.ts";
import { degradationSchema, degradedEntriesSchema } from "./degradation.ts";
import { instrumentSchema } from "./instrument.ts";
import { decimalText, epochMs, idText, positiveDecimal, shortName } from "./schemas.ts";
import { timeFrameSchema } from "./time-frame.ts";

export const SESSION_STATES = [
  "CREATED",
  "STARTING",
  "RUNNING",
  "PAUSED",
  "STOPPING",
  "STOPPED",
  "FAULTED",
  "DELETED",
] as const;
export const sessionStateSchema = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof sessionStateSchema>;

/**
 * The session state machine (`from: [to ...]`).
 * CREATED: known, never started. STARTING: warm-up and reconciliation. RUNNING: trades. PAUSED: no entries, exits managed.
 * STOPPING: keeps, cancels or flattens, by the stop policy. STOPPED: at rest. FAULTED: its strategy failed; nothing new is sent.
 */
export const SESSION_TRANSITIONS: Readonly<Record<SessionState, readonly SessionState[]>> = {
  CREATED: ["STARTING", "DELETED"],
  STARTING: ["RUNNING", "STOPPING", "FAULTED"],
  RUNNING: ["PAUSED", "STOPPING", "FAULTED"],
  PAUSED: ["RUNNING", "STOPPING", "FAULTED"],
  STOPPING: ["STOPPED", "FAULTED"],
  STOPPED: ["STARTING", "DELETED"],
  FAULTED: ["STARTING", "STOPPING"],
  DELETED: [],
};

/** How a decision finds its size. Percent: of the session's equity at the mark, fee included. Fixed: in the base asset. */
export const sizingSchema = z.discriminatedUnion("method", [
  z.strictObject({ method: z.literal("percent-of-equity"), percent: positiveDecimal }),
  z.strictObject({ method: z.literal("fixed-size"), size: positiveDecimal }),
]);

/** What a session's risk decisions are measured against. Notional limits are in the quote asset; null: no limit. */
export const riskPolicySchema = z.strictObject({
  sizing: sizingSchema,
  maxOrderNotional: positiveDecimal.nullable().default(null),
  maxPositionNotional: positiveDecimal.nullable().default(null),
  /** How long after its candle closed, or after the newest trade of a forming one, a signal may still be decided, in market time. Null: no limit. */
  signalValidityMs: z.number().int().positive().nullable().default(null),
  /** What becomes of entries while the session is degraded. Exits are never denied for it, but with BOOK_INCOMPLETE. */
  degradedEntries: degradedEntriesSchema.default("deny-stale"),
});
export type RiskPolicy = z.infer<typeof riskPolicySchema>;

export const stopPolicySchema = z.enum(["keep", "cancel", "flatten"]);

/** More parameters than any strategy has: each is checked, kept and compared by several services. */
const MOST_PARAMS = 200;

/** Parameters of a strategy: names with any JSON. */
export const paramsSchema = z
  .record(z.string(), z.json())
  .refine((params) => Object.keys(params).length <= MOST_PARAMS, `must have at most ${MOST_PARAMS} names`);

/** More than any account holds: so many digits are a slip of the hand, and are not tied to a balance that changes. */
const LEAST_TOO_MUCH = "1000000000000000";

/** What a session or a backtest begins with, in the quote asset of its instruments. */
const capitalText = positiveDecimal
  .refine((text) => decimal(text).lt(LEAST_TOO_MUCH), `must be below ${LEAST_TOO_MUCH} (10^15)`)
  .describe("What it begins with, in the quote asset of its instruments; below 10^15");

/** One strategy with parameters on one or more instruments of an account, with a risk policy and capital. */
export const sessionSchema = z.object({
  id: z.uuid(),
  /** Eight characters of [a-z0-9]: the beginning of each of its client order ids. */
  code: z.string().regex(/^[a-z0-9]{8}$/),
  name: z.string().min(1).max(100),
  strategy: idText,
  strategyVersion: z.string(),
  params: paramsSchema,
  /** One for now: strategies see one series, and one position. */
  instrumentIds: z.array(instrumentSchema.shape.id).length(1, "must name one instrument: a session trades one for now"),
  timeFrame: timeFrameSchema,
  accountId: shortName,
  capital: capitalText,
  riskPolicy: riskPolicySchema,
  /** How often positions are to be revalued and managed, in milliseconds. Nothing reads it yet. */
  refreshIntervalMs: z.number().int().min(100).max(86_400_000),
  stopPolicy: stopPolicySchema,
  state: sessionStateSchema,
  stateReason: z.string().nullable(),
  /** What it runs without, each with its reason; empty: nothing is missing. Ends by itself. */
  degraded: z.array(degradationSchema),
  /** Which start this is: 0 before the first. Reports of an earlier run are ignored. */
  run: z.number().int().nonnegative(),
  /** Grows by one with each change; the ETag of REST. */
  version: z.number().int().positive(),
  /** Of all topics keyed by session, and of the executor's shards. */
  partition: z.number().int().nonnegative(),
  createdAtMs: epochMs,
  updatedAtMs: epochMs,
});
export type Session = z.infer<typeof sessionSchema>;

/** Whether the state table lets a session go from one state to the other. */
export function mayTransition(from: SessionState, to: SessionState): boolean {
  return SESSION_TRANSITIONS[from].includes(to);
}

/** Marks of instruments by id, as decimal text. */
export const marksSchema = z.record(z.string(), decimalText);
