import { z } from "zod";
import { noteSchema } from "#services/template/messages.ts";
import { notePosition, tellIfLarge } from "#services/template/note-position.ts";
import type { Scaling } from "#services/template/place.ts";
import { defineTask } from "#shared/messages/tasks.ts";
import { POSITIONS } from "#shared/messages/topics.ts";

/** Notes a position. Lane: the session. */
const NOTE_POSITION = defineTask({
  queue: "template",
  type: "template-note",
  lane: "sessionId",
  payload: z.object({ note: noteSchema }),
  onDead: "skip",
  sessionOf: ({ note }) => note.sessionId,
});

/** How many sessions one instance works on at once. */
const AT_ONCE = 4;

/** A task queue: each position becomes a task, and whichever instance is free works it, a session's in their order. */
export const scaling: Scaling = {
  words: "task queue",
  tasks: { works: [NOTE_POSITION], asks: [NOTE_POSITION] },
  begin(place) {
    const { bus, queue } = place.deps;
    const asking = bus.subscribe({
      group: "template",
      topics: [POSITIONS],
      async handle(tx, events) {
        for (const { key, data } of events) {
          const { sessionId, instrumentId, size } = data;
          await queue.enqueue(tx, {
            task: NOTE_POSITION,
            lane: key,
            payload: { note: { sessionId, instrumentId, size } },
          });
        }
      },
    });
    const working = queue.work({
      queue: NOTE_POSITION.queue,
      tasks: [NOTE_POSITION],
      concurrency: AT_ONCE,
      mode: "transaction",
      async handle(tx, tasks) {
        for (const { payload } of tasks) {
          await notePosition(tx, place, payload.note);
          await tellIfLarge(tx, place, payload.note);
        }
        return tasks.map(() => ({}));
      },
    });
    return [asking, working];
  },
};
