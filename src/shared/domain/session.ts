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

/**
 * States in which a session is at work: its feeds are followed, its strategy is shown candles, and it is told what it lacks.
 * Nothing of that is done for one that is FAULTED; its next start says what is missing.
 */
export const AT_WORK: readonly SessionState[] = ["STARTING", "RUNNING", "PAUSED", "STOPPING"];

const sizingMethod = <Name extends string>(name: Name) =>
  z.literal(name).describe("percent-of-equity: a share of what the session is worth. fixed-size: always the same");

/** How a decision finds its size. Percent: of the session's equity at the mark, fee included. Fixed: in the base asset. */
export const sizingSchema = z.discriminatedUnion("method", [
  z.strictObject({
    method: sizingMethod("percent-of-equity"),
    percent: positiveDecimal.describe("Of the equity at the mark, fee included; at most 100"),
  }),
  z.strictObject({
    method: sizingMethod("fixed-size"),
    size: positiveDecimal.describe("In the base asset, a multiple of the instrument's size step"),
  }),
]);

/** What a session's risk decisions are measured against. Notional limits are in the quote asset; null: no limit. */
export const riskPolicySchema = z.strictObject({
  sizing: sizingSchema.describe("How a decision finds its size"),
  maxOrderNotional: positiveDecimal
    .nullable()
    .default(null)
    .describe("Most that one order may be worth, in the quote asset; null: no limit"),
  maxPositionNotional: positiveDecimal
    .nullable()
    .default(null)
    .describe("Most that the position may be worth, in the quote asset; null: no limit"),
  signalValidityMs: z
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "How long after its candle closed, or after the newest trade of a forming one, a signal may still be decided, in market time; null: no limit",
    ),
  degradedEntries: degradedEntriesSchema
    .default("deny-stale")
    .describe(
      "What becomes of entries while something is missing: deny, deny-stale (while prices are stale), allow. Exits are never denied for it, except while BOOK_INCOMPLETE is among it",
    ),
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
  id: z.uuid().describe("The session's id"),
  code: z
    .string()
    .regex(/^[a-z0-9]{8}$/)
    .describe("The beginning of each of its client order ids"),
  name: z.string().min(1).max(100).describe("What a person calls it; need not be unique"),
  strategy: idText.describe("Name of a strategy, as GET /api/strategy-executor/strategies lists them"),
  strategyVersion: z.string().describe("Version of the strategy that its parameters were checked with"),
  params: paramsSchema.describe(
    "Parameters of the strategy, by their names; what is not given has the default of the strategy",
  ),
  instrumentIds: z
    .array(instrumentSchema.shape.id)
    .length(1, "must name one instrument: a session trades one for now")
    .describe("What it trades: one for now, as GET /api/market-data/instruments lists them"),
  timeFrame: timeFrameSchema.describe("Length of the candles that the strategy sees"),
  accountId: shortName.describe("An account of R3_ACCOUNTS, at the venue of its instruments"),
  capital: capitalText,
  riskPolicy: riskPolicySchema.describe("How it is sized, and what limits it"),
  stopPolicy: stopPolicySchema.describe(
    "What a stop does with orders and position: keep leaves both, cancel cancels what is open, flatten also closes the position",
  ),
  state: sessionStateSchema.describe("Where it is in its life"),
  stateReason: z
    .string()
    .nullable()
    .describe("Why it is in its state, or what it waits for; null: nothing is to be said"),
  killId: idText
    .nullable()
    .describe(
      "The kill that it stops for, as GET /api/risk-manager/kill/<id> has it; null: it does not stop, or a person's stop",
    ),
  degraded: z
    .array(degradationSchema)
    .describe("What it runs without, each with its reason; empty: nothing is missing. Ends by itself"),
  run: z
    .number()
    .int()
    .nonnegative()
    .describe("Which start this is: 0 before the first. Reports of an earlier run are ignored"),
  version: z.number().int().positive().describe("Grows by one with each change; the ETag of REST"),
  partition: z
    .number()
    .int()
    .nonnegative()
    .describe("Of all topics keyed by session, and of the shards of strategy-executor"),
  createdAtMs: epochMs.describe("When it was made, UTC epoch milliseconds"),
  updatedAtMs: epochMs.describe("When it changed last, UTC epoch milliseconds"),
});
export type Session = z.infer<typeof sessionSchema>;

/** The series of candles that a session follows. */
export function seriesOf({ instrumentIds, timeFrame }: Pick<Session, "instrumentIds" | "timeFrame">) {
  return { instrumentId: instrumentIds[0] ?? "", timeFrame };
}

/** Whether the state table lets a session go from one state to the other. */
export function mayTransition(from: SessionState, to: SessionState): boolean {
  return SESSION_TRANSITIONS[from].includes(to);
}

/** Marks of instruments by id, as decimal text. */
export const marksSchema = z.record(z.string(), decimalText);
