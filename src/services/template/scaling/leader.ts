import { notePosition, tellIfLarge } from "#services/template/note-position.ts";
import type { Place, Scaling } from "#services/template/place.ts";
import { listNotes } from "#services/template/store.ts";
import type { Running } from "#shared/bus/bus.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { POSITIONS } from "#shared/messages/topics.ts";

/** The role that one instance has at a time. */
const ROLE = "template:look-at-all";
/** The pause between two looks at all notes. */
const EVERY_MS = 1_000;
/** Notes of one look and one transaction. */
const PAGE = 500;

/** Leader election: all instances note, and one of them, the leader, looks again and again at what is noted. */
export const scaling: Scaling = {
  words: "one leader",
  tasks: { works: [], asks: [] },
  begin(place) {
    const noting = place.deps.bus.subscribe({
      group: "template",
      topics: [POSITIONS],
      async handle(tx, events) {
        for (const { data } of events) await notePosition(tx, place, data);
      },
    });
    return [noting, leading(place)];
  },
};

/** Leads whenever nobody else does. An instance that does not lead is ready all the same. */
function leading(place: Place): Running {
  const { clock, leader } = place.deps;
  const stopping = new AbortController();
  const led = leader.lead(ROLE, stopping.signal, async (leadership) => {
    while (!leadership.signal.aborted) {
      await lookAtAll(place, leadership);
      await clock.sleep(EVERY_MS, leadership.signal);
    }
  });
  return {
    ready: Promise.resolve(),
    async close() {
      stopping.abort();
      await led;
    },
  };
}

/** A page at a time. Each write begins with the fence: who was deposed and does not know it yet writes nothing. */
async function lookAtAll(place: Place, { role, epoch, signal }: Leadership): Promise<void> {
  const { db, leader } = place.deps;
  let after = "";
  while (!signal.aborted) {
    const notes = await listNotes(db.sql, after, PAGE);
    const last = notes.at(-1);
    if (last === undefined) return;
    await db.transaction(async (tx) => {
      await leader.fence(tx, role, epoch);
      for (const note of notes) await tellIfLarge(tx, place, note);
    });
    if (notes.length < PAGE) return;
    after = last.sessionId;
  }
}
