import { z } from "zod";
import { readableName } from "#shared/domain/readable-name.ts";
import { EXAMPLE_ACCOUNT, epochMs, uuidText } from "#shared/domain/schemas.ts";
import { sessionSchema, sessionStateSchema } from "#shared/domain/session.ts";
import { denialCodeSchema } from "#shared/domain/signal.ts";
import { ifMatchSchema } from "#shared/http/versions.ts";
import { SESSION_EVENTS } from "./session/session-event.ts";
import { sessionFilterSchema } from "./session/session-query-store.ts";

const { strategy, params, instrumentIds, timeFrame, accountId, capital } = sessionSchema.shape;
const { riskPolicy, stopPolicy } = sessionSchema.shape;
const name = readableName(sessionSchema.shape.name);

/** What a session is made of. What is not named takes the default given here, and the strategy's own for its parameters. */
export const createSessionSchema = z
  .strictObject({
    name,
    strategy,
    params: params.default({}),
    instrumentIds,
    timeFrame,
    accountId,
    capital,
    riskPolicy,
    stopPolicy: stopPolicy.default("keep"),
  })
  .meta({
    examples: [
      {
        name: "My first",
        strategy: "sma-cross",
        params: { fast: 10, slow: 30 },
        instrumentIds: ["SPX/USD.paper"],
        timeFrame: "1d",
        accountId: EXAMPLE_ACCOUNT,
        capital: "5000",
        riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
      },
    ],
  });
export type CreateSession = z.infer<typeof createSessionSchema>;

/** What of a session is to be otherwise. At least one field. */
export const changeSessionSchema = z
  .strictObject({
    name: name.optional(),
    strategy: strategy.optional(),
    params: params.optional(),
    instrumentIds: instrumentIds.optional(),
    timeFrame: timeFrame.optional(),
    accountId: accountId.optional(),
    capital: capital.optional(),
    riskPolicy: riskPolicy.optional(),
    stopPolicy: stopPolicy.optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), "must name at least one field")
  .meta({ examples: [{ name: "Renamed" }] });
export type ChangeSession = z.infer<typeof changeSessionSchema>;

/** What of a copy is to be otherwise than in the session that it is made from. */
export const copySessionSchema = z
  .strictObject({
    ...createSessionSchema.partial().shape,
    params: params.optional(),
    stopPolicy: stopPolicy.optional(),
  })
  .optional()
  .meta({ examples: [{ name: "The same by the week", timeFrame: "1w" }] });
export type CopySession = z.infer<typeof copySessionSchema>;

/** What a stop may be told. */
export const stopSessionSchema = z
  .strictObject({
    stopPolicy: stopPolicy
      .optional()
      .describe("What becomes of its orders and position; the session's from then on. Default: the session's own"),
  })
  .optional();

/** What was denied of a session's signals since its present start. Not part of its version. */
export const denialsSchema = z.object({
  count: z.number().int().nonnegative().describe("How many signals were denied since the present start"),
  last: z
    .object({
      code: denialCodeSchema.describe("Why, as a stable code"),
      reason: z.string().describe("Why, in a sentence"),
      atMs: epochMs.describe("When, UTC epoch milliseconds"),
    })
    .nullable()
    .describe("The last of them; null: there is none"),
});
export type Denials = z.infer<typeof denialsSchema>;

/** A session as it is read. */
export const sessionViewSchema = sessionSchema.extend({
  denials: denialsSchema.describe("What risk denied since its present start"),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** Headers of every change. */
export const changeHeaders = z.object({
  "idempotency-key": z.string().min(1).max(255).optional().describe("The same key gives the same answer, for 24 hours"),
  "x-forwarded-user": z.string().min(1).max(200).optional().describe("Whose key it is, as the gateway tells"),
  "if-match": ifMatchSchema,
});

/** Most sessions that one bulk may name or fit. */
export const MOST_IN_BULK = 500;

/** One action for many sessions. */
export const bulkSchema = z
  .strictObject({
    action: z.enum(["start", "pause", "resume", "stop"]).describe("What is asked of each"),
    ids: z.array(uuidText).min(1).max(MOST_IN_BULK).optional().describe("Which sessions; each is asked once"),
    filter: sessionFilterSchema
      .optional()
      .describe("Or those that this fits when the request comes; {} fits all. What does not fit any more is left out"),
    stopPolicy: stopPolicy
      .optional()
      .describe("Of a stop: what becomes of orders and positions; each session's own from then on"),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), "must name one of ids and filter")
  .refine(({ action, stopPolicy: told }) => told === undefined || action === "stop", "takes stopPolicy with stop alone")
  .meta({
    examples: [{ action: "stop", filter: { accountId: EXAMPLE_ACCOUNT, state: "RUNNING" }, stopPolicy: "flatten" }],
  });
export type BulkWish = z.infer<typeof bulkSchema>;

/** What became of a bulk at each session. */
export const bulkAnswerSchema = z.object({
  done: z.number().int().describe("At how many it was done"),
  refused: z.number().int().describe("How many do not take it"),
  failed: z.number().int().describe("At how many it could not be tried; the same request may be sent again"),
  items: z
    .array(
      z.object({
        id: z.string().describe("Which session"),
        outcome: z
          .enum(["done", "refused", "failed"])
          .describe("done: it is in its state. refused: it does not take this. failed: ask again, it may be done then"),
        state: sessionStateSchema.nullable().describe("Its state after it; null: it was not done"),
        code: z.string().nullable().describe("Why not, as a stable word; null: it was done"),
        detail: z.string().nullable().describe("Why not, and what to do, in a sentence; null: it was done"),
      }),
    )
    .describe("One a session, in the order of ids, or of their creation"),
});
export type BulkAnswer = z.infer<typeof bulkAnswerSchema>;

/** One thing that happened to a session. */
export const sessionEventSchema = z.object({
  version: z.number().int().describe("The version that it led to; a version that is left out changed nothing of it"),
  run: z.number().int().describe("The start that it was in"),
  kind: z.enum(SESSION_EVENTS).describe("What happened"),
  state: sessionStateSchema.describe("Its state after it"),
  reason: z.string().nullable().describe("Why, in a sentence; null: nothing is to be said"),
  what: z
    .array(z.string())
    .describe("The fields that were changed, or the codes of what is missing from now on, or is missing no more"),
  by: z.string().describe("Who: a person as the gateway names it (local without one), or a service"),
  cause: z.string().describe("At whose word: what was asked for, such as start, or the report, such as report.faulted"),
  atMs: epochMs.describe("When, UTC epoch milliseconds"),
});
export type SessionEvent = z.infer<typeof sessionEventSchema>;
