import type { Position } from "#shared/domain/position.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, POSITIONS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

const SIZE = "100.5";
const POSITION: Position = {
  sessionId: SESSION.id,
  accountId: SESSION.accountId,
  instrumentId: spx.id,
  size: SIZE,
  averageEntry: "100",
  realizedProfit: "0",
  fees: {},
  updatedAtMs: 1,
};

/** What it does when it runs alone: an event comes in; task, row, event, alert and answer are seen. */
export const work: Work = {
  async give({ db, bus }, url) {
    const { sql } = db;
    await db.transaction(async (tx) => bus.publish(tx, [event(POSITIONS, SESSION.id, "position.opened", POSITION)]));
    const notes = await eventually("the note", async () => {
      const items = await itemsOf(`${url}/api/trial/notes`);
      return items.length > 0 && items;
    });
    const [tasks, rows, events, alerts] = [
      await sql`select type, lane, state from queue.tasks where queue = 'trial'`,
      await sql`select session_id as "sessionId", size from trial.notes`,
      await sql`select type, envelope -> 'data' as data from bus.log where topic = 'trial-notes'`,
      await sql`select scope, code, severity from alerts.open`,
    ];
    return { notes, tasks: [...tasks], rows: [...rows], events: [...events], alerts: [...alerts] };
  },
  comesTo: {
    notes: [{ sessionId: SESSION.id, size: SIZE }],
    tasks: [{ type: "note-position", lane: SESSION.id, state: "done" }],
    rows: [{ sessionId: SESSION.id, size: SIZE }],
    events: [{ type: "note.written", data: { sessionId: SESSION.id, size: SIZE } }],
    alerts: [{ scope: `session:${SESSION.id}`, code: "TRIAL_LARGE_POSITION", severity: "warning" }],
  },
};
