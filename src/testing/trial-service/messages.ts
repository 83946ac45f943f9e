import { z } from "zod";
import { positionSchema } from "#shared/domain/position.ts";
import { defineTask } from "#shared/messages/tasks.ts";
import { defineTopic } from "#shared/messages/topics.ts";

/** What was noted. */
export const TRIAL_NOTES = defineTopic({
  name: "trial-notes",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "skip",
  description: "Positions that were noted, from trial.",
  schemas: { "note.written": positionSchema.pick({ sessionId: true, size: true }) },
});

/** Notes a position. Lane: the session. */
export const NOTE_POSITION = defineTask({
  queue: "trial",
  type: "note-position",
  lane: "sessionId",
  payload: z.object({ position: positionSchema }),
  onDead: "skip",
  sessionOf: ({ position }) => position.sessionId,
});
