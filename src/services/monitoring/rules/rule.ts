import { z } from "zod";
import { factNameSchema } from "#services/monitoring/facts/facts.ts";
import { severitySchema } from "#shared/alerts/alert-kinds.ts";
import { epochMs } from "#shared/domain/schemas.ts";

const DAY_MS = 86_400_000;
const durationMs = z.number().int().nonnegative().max(DAY_MS);
const subjects = z.array(z.string().min(1).max(300)).max(100);

/** The name of a rule. */
export const ruleId = z
  .string()
  .regex(
    /^[A-Z][A-Z0-9_]{1,39}$/,
    "must be of A-Z, 0-9 and underscores, begin with a letter, and have 2 to 40 characters",
  );

const fields = {
  fact: factNameSchema.describe("What it is about, as GET /facts lists them"),
  comparison: z.enum(["above", "below"]).describe("Whether it is met above its limit, or below it"),
  limit: z.number().min(-1e15).max(1e15).describe("The limit, in the unit of the fact"),
  forMs: durationMs.describe("How long it has to be met before the alert is raised, in milliseconds; a day at most"),
  endsAfterMs: durationMs.describe("How long it has to be met no more before the alert ends, in milliseconds"),
  severity: severitySchema.describe("How much it matters: of the alerts that are raised from then on"),
  text: z.string().trim().min(1).max(300).describe("What is the matter, in a sentence"),
  toDo: z.string().trim().min(1).max(1_000).describe("What a person does about it, in a sentence or two"),
  only: subjects.describe("Only of subjects that begin with one of these; empty: of all"),
  except: subjects.describe("Not of subjects that begin with one of these"),
  enabled: z.boolean().describe("False: it is not looked at, and its alerts are over"),
};

/** What is to be told of: what is measured, when that is too much, for how long, and what a person does then. */
export const ruleSchema = z.strictObject({ id: ruleId.describe("Its name"), ...fields });
export type Rule = z.infer<typeof ruleSchema>;

/** A new rule. */
export const newRuleSchema = ruleSchema
  .extend({
    forMs: fields.forMs.default(0),
    endsAfterMs: fields.endsAfterMs.default(0),
    only: fields.only.default([]),
    except: fields.except.default([]),
    enabled: fields.enabled.default(true),
  })
  .meta({
    examples: [
      {
        id: "BACKTESTS_WAIT",
        fact: "queue.waited",
        comparison: "above",
        limit: 600_000,
        forMs: 60_000,
        severity: "info",
        text: "A backtest waits for more than ten minutes.",
        toDo: "Start one more instance of backtest.",
        only: ["queue:backtest"],
      },
    ],
  });

/** What of a rule is to be otherwise. At least one field. */
export const changeRuleSchema = z
  .strictObject(fields)
  .partial()
  .refine((change) => Object.values(change).some((value) => value !== undefined), "must name at least one field")
  .meta({ examples: [{ limit: 5_000 }] });
export type ChangeRule = z.infer<typeof changeRuleSchema>;

/** A rule as it is kept. */
export const keptRuleSchema = ruleSchema.extend({
  shipped: z.boolean().describe("It came with the engine: it can be changed and disabled, not deleted"),
  changed: z
    .boolean()
    .describe("A person has changed a shipped one: it stays as it is when the engine's own changes, until it is reset"),
  updatedAtMs: epochMs.describe("When it changed last, UTC epoch milliseconds"),
});
export type KeptRule = z.infer<typeof keptRuleSchema>;

/** Whether a rule is about a subject. */
export function isAbout({ only, except }: Pick<Rule, "only" | "except">, subject: string): boolean {
  const begins = (beginning: string): boolean => subject.startsWith(beginning);
  return (only.length === 0 || only.some(begins)) && !except.some(begins);
}
