import { z } from "zod";
import { type AlertKinds, severitySchema, toDoOf } from "#shared/alerts/alert-kinds.ts";
import { epochMs } from "#shared/domain/schemas.ts";

/** open: it is not over. over: it is. */
export const alertStateSchema = z.enum(["open", "over", "all"]);
export type AlertState = z.infer<typeof alertStateSchema>;

/** What a person said about an alert. */
const wordSchema = z.object({
  by: z.string().describe("Who, as the gateway tells; local, until there are users"),
  reason: z.string().describe("Why, as the person said"),
  atMs: epochMs.describe("When, UTC epoch milliseconds"),
});
export type Word = z.infer<typeof wordSchema>;

/** An alert of the history. */
export const alertSchema = z.object({
  id: z.uuid().describe("Its id: one each time that it is raised"),
  scope: z.string().describe("What it is about, such as session:<id>"),
  code: z.string().describe("Which alert it is; docs/alerts.md has them all"),
  severity: severitySchema.describe("How much it matters"),
  text: z.string().describe("What is the matter, in a sentence"),
  data: z.record(z.string(), z.json()).describe("Ids and figures of it"),
  toDo: z.string().describe("What a person does about it"),
  ends: z.enum(["condition", "fact"]).describe("condition: by itself, once it is over. fact: a person clears it"),
  raisedAtMs: epochMs.describe("Since when, UTC epoch milliseconds"),
  clearedAtMs: epochMs.nullable().describe("Until when, UTC epoch milliseconds; null: it is open"),
  acknowledged: wordSchema.nullable().describe("Who has seen it; null: nobody has said so"),
  silenced: wordSchema
    .extend({ untilMs: epochMs.describe("Until when nobody is told, UTC epoch milliseconds") })
    .nullable()
    .describe("Who wants nobody to be told of it now; null: nobody"),
});
export type AlertView = z.infer<typeof alertSchema>;
/** The same as it is kept. */
export type AlertRecord = Omit<AlertView, "toDo" | "ends">;

/** With what its kind says. */
export function viewOf(kinds: AlertKinds, record: AlertRecord): AlertView {
  const kind = kinds[record.code];
  return { ...record, toDo: toDoOf(kind, record.data), ends: kind?.ends ?? "condition" };
}
