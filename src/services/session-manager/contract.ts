import { z } from "zod";
import { readableName } from "#shared/domain/readable-name.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { denialCodeSchema } from "#shared/domain/signal.ts";
import { ifMatchSchema } from "#shared/http/versions.ts";

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
        accountId: "demo",
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
