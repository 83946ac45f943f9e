import { z } from "zod";
import { contentSchema } from "#services/notification/notices/content.ts";
import { epochMs } from "#shared/domain/schemas.ts";

/** Where a message is: it waits, the channel has taken it, or has refused it for good. */
export const messageStateSchema = z.enum(["waiting", "sent", "dead"]);

/** A message with what became of it. */
export const messageSchema = z.object({
  id: z.uuid().describe("The message's id, the same in each try and in what is sent"),
  recipientId: z.uuid().describe("Who is told"),
  seq: z.number().int().positive().describe("Its number among the recipient's messages, from 1, without a gap"),
  state: messageStateSchema.describe("waiting, sent, or dead: refused for good"),
  attempts: z.number().int().describe("How often it was tried"),
  error: z.string().nullable().describe("Why the last try failed; null: none did"),
  createdAtMs: epochMs.describe("When it was made, UTC epoch milliseconds"),
  endedAtMs: epochMs.nullable().describe("When it was sent or refused, UTC epoch milliseconds; null: not yet"),
  ...contentSchema.shape,
});
export type Message = z.infer<typeof messageSchema>;
