import { z } from "zod";
import { severitySchema } from "#shared/alerts/alert-kinds.ts";
import { epochMs } from "#shared/domain/schemas.ts";

/** What a message may be about. */
export const messageKindSchema = z.enum([
  "alert",
  "alert-over",
  "fill",
  "session",
  "summary",
  "digest",
  "delayed",
  "test",
]);

/** What a message says, as it was written in the transaction of what it tells of. */
export const contentSchema = z.object({
  kind: messageKindSchema.describe("What it is about"),
  severity: severitySchema.describe("How much it matters"),
  title: z.string().describe("In a line"),
  text: z.string().describe("The rest; empty: the line says all"),
  atMs: epochMs.describe("When it happened, UTC epoch milliseconds"),
  data: z.record(z.string(), z.json()).describe("Ids and figures of it, for programs"),
});
export type MessageContent = z.infer<typeof contentSchema>;
