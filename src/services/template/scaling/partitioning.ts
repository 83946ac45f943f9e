import { notePosition, tellIfLarge } from "#services/template/note-position.ts";
import type { Scaling } from "#services/template/place.ts";
import { POSITIONS } from "#shared/messages/topics.ts";

/**
 * Partitioning: each session belongs to one partition, and each partition to one instance at a time, which may therefore
 * keep in memory what it knows of it. Here the last size of each session: one that is told again is not noted again.
 */
export const scaling: Scaling = {
  words: "partitions by session",
  tasks: { works: [], asks: [] },
  begin(place) {
    /** By partition, then by session. Only what is committed. */
    const sizes = new Map<number, Map<string, string>>();
    const noting = place.deps.bus.subscribe({
      group: "template",
      topics: [POSITIONS],
      onAcquired: async ({ partition }) => void sizes.set(partition, new Map()),
      onReleased: async ({ partition }) => void sizes.delete(partition),
      async handle(tx, events, { partition }) {
        const own = sizes.get(partition) ?? new Map<string, string>();
        const now = new Map<string, string>();
        for (const { key, data } of events) {
          if ((now.get(key) ?? own.get(key)) === data.size) continue;
          await notePosition(tx, place, data);
          await tellIfLarge(tx, place, data);
          now.set(key, data.size);
        }
        // A transaction that is taken back was never heard of.
        tx.afterCommit(() => {
          for (const [key, size] of now) own.set(key, size);
        });
      },
    });
    return [noting];
  },
};
