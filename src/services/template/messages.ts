import type { z } from "zod";
import { positionSchema } from "#shared/domain/position.ts";
import { defineTopic } from "#shared/messages/topics.ts";

/** A session's newest position. */
export const noteSchema = positionSchema.pick({ sessionId: true, instrumentId: true, size: true });
export type Note = z.infer<typeof noteSchema>;

/** What was noted. */
export const TEMPLATE_NOTES = defineTopic({
  name: "template-notes",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "skip",
  description: "Positions that were noted, from template.",
  schemas: { "note.written": noteSchema },
});
