import { notePosition, tellIfLarge } from "#services/template/note-position.ts";
import type { Scaling } from "#services/template/place.ts";
import { POSITIONS } from "#shared/messages/topics.ts";

/** Load balancing: an instance keeps nothing in memory, so that any of them answers, and any of them notes what comes. */
export const scaling: Scaling = {
  words: "stateless replicas",
  tasks: { works: [], asks: [] },
  begin(place) {
    const noting = place.deps.bus.subscribe({
      group: "template",
      topics: [POSITIONS],
      async handle(tx, events) {
        for (const { data } of events) {
          await notePosition(tx, place, data);
          await tellIfLarge(tx, place, data);
        }
      },
    });
    return [noting];
  },
};
