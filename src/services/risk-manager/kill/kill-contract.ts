import { z } from "zod";
import { TRADING_STATES_SAY, tradingStateSchema } from "#shared/domain/account.ts";
import { EXAMPLE_ACCOUNT, epochMs, shortName, uuidText } from "#shared/domain/schemas.ts";

const reason = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^\p{Cc}\p{Bidi_C}]*$/u, "must be one line, without signs that cannot be seen")
  .optional()
  .describe("Why, in a sentence; it stands in denials, alerts and lists");

const target = {
  session: uuidText.optional().describe("Id of one session"),
  account: shortName.optional().describe("Name of one account: all sessions of it"),
  all: z.literal(true).optional().describe("All accounts, with all sessions"),
};

const ONE_TARGET = "must name one of session, account and all";
function namesOne({ session, account, all }: { session?: unknown; account?: unknown; all?: unknown }): boolean {
  return [session, account, all].filter((one) => one !== undefined).length === 1;
}

/** What is to be killed. */
export const killSchema = z
  .strictObject({ ...target, reason })
  .refine(namesOne, ONE_TARGET)
  .meta({ examples: [{ account: EXAMPLE_ACCOUNT, reason: "The market has gone mad." }] });
export type KillWish = z.infer<typeof killSchema>;

const abandon = z
  .boolean()
  .default(false)
  .describe(
    "true: also where a kill has not closed everything yet; what is left stays as it is, but for closing orders that were decided before, and the sessions that the kill has stopped keep it",
  );

/** What is to trade again. */
export const releaseSchema = z
  .strictObject({ ...target, abandon })
  .refine(namesOne, ONE_TARGET)
  .meta({ examples: [{ account: EXAMPLE_ACCOUNT }] });

/** What an account is to take. */
export const setTradingStateSchema = z
  .strictObject({ tradingState: tradingStateSchema.describe(TRADING_STATES_SAY), reason, abandon })
  .meta({ examples: [{ tradingState: "REDUCING", reason: "News at noon." }] });
export type TradingStateWish = z.infer<typeof setTradingStateSchema>;

const killStateSchema = z
  .enum(["FLATTENING", "FLAT", "ABANDONED"])
  .describe(
    "FLATTENING: something is open or held yet. FLAT: nothing that an order could close. ABANDONED: a person has ended the halt before that",
  );

/** A session of a kill. */
const killedSessionSchema = z.object({
  sessionId: z.string().describe("Which session"),
  state: killStateSchema,
  waits: z
    .string()
    .nullable()
    .describe(
      "Why it is not flat yet, as order-position-tracker has found it last, and why risk closes nothing, where it does not; null: nobody has looked yet, or it is over",
    ),
  left: z.string().nullable().describe("What is left that no order could close, in a sentence; null: nothing"),
  flatAtMs: epochMs.nullable().describe("Since when it is flat, UTC epoch milliseconds; null: it is not yet"),
});
export type KilledSession = z.infer<typeof killedSessionSchema>;

const killFields = {
  id: z.string().describe("The kill's id"),
  scope: z.string().describe("What was killed: all, account:<name> or session:<id>"),
  reason: z.string().nullable().describe("Why, as it was asked for"),
  caller: z.string().describe("Who asked for it"),
  state: killStateSchema,
  sessions: z
    .number()
    .int()
    .nonnegative()
    .describe("How many sessions it concerns: those that were started, at rest only where they hold something"),
  flat: z.number().int().nonnegative().describe("How many of them are flat"),
  createdAtMs: epochMs.describe(
    "When it was committed, UTC epoch milliseconds. No intent of an entry is committed after it; one of before may still reach the venue within R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS, and is closed too",
  ),
  flatAtMs: epochMs.nullable().describe("When the last of them was flat, UTC epoch milliseconds; null: not yet"),
  endedAtMs: epochMs
    .nullable()
    .describe("When a person let it trade again, UTC epoch milliseconds; null: it is halted"),
};

/** A kill as it is listed. */
export const killSummarySchema = z.object(killFields);
export type KillSummary = z.infer<typeof killSummarySchema>;

/** A kill with its sessions. */
export const killViewSchema = z.object({
  ...killFields,
  notFlat: z
    .array(killedSessionSchema)
    .describe("The sessions that are not flat, 100 at most; the others are in GET .../kill/:id/sessions"),
});
export type KillView = z.infer<typeof killViewSchema>;
export { killedSessionSchema };

/** What an account takes. */
export const accountStateSchema = z.object({
  accountId: z.string().describe("The account's name in R3_ACCOUNTS"),
  tradingState: tradingStateSchema.describe(`The strictest of what holds it. ${TRADING_STATES_SAY}`),
  reason: z.string().nullable().describe("Why, since when and by which halt; null: it is ACTIVE"),
  sinceMs: epochMs.nullable().describe("Since when, UTC epoch milliseconds; null: it is ACTIVE, or halted by itself"),
  kills: z.array(z.string()).describe("Ids of the kills that stand for it, newest first"),
});
export type AccountState = z.infer<typeof accountStateSchema>;

/** Headers of a kill. */
export const killHeaders = z.object({
  "idempotency-key": z.string().min(1).max(255).optional().describe("The same key gives the same kill"),
  "x-forwarded-user": z.string().min(1).max(200).optional().describe("Who asks, as the gateway tells"),
});
