import type { Position } from "#shared/domain/position.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, POSITIONS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

const NOTE = { sessionId: SESSION.id, instrumentId: spx.id, size: "100.5" };
const POSITION: Position = {
  ...NOTE,
  accountId: SESSION.accountId,
  averageEntry: "100",
  realizedProfit: "0",
  fees: {},
  updatedAtMs: 1,
};

/** What it does when it runs alone: an event comes in; row, event, alert and answer are seen. */
export const work: Work = {
  async give({ db, bus }, url) {
    const { sql } = db;
    await db.transaction(async (tx) => bus.publish(tx, [event(POSITIONS, SESSION.id, "position.opened", POSITION)]));
    const alerts = await eventually("the alert", async () => {
      const open = await sql`select scope, code, severity from alerts.open`;
      return open.length > 0 && [...open];
    });
    const [rows, events] = await Promise.all([
      sql`select session_id as "sessionId", size from template.notes`,
      sql`select type, envelope -> 'data' as data from bus.log where topic = 'template-notes'`,
    ]);
    return { notes: await itemsOf(`${url}/api/template/notes`), rows: [...rows], events: [...events], alerts };
  },
  comesTo: {
    notes: [NOTE],
    rows: [{ sessionId: NOTE.sessionId, size: NOTE.size }],
    events: [{ type: "note.written", data: NOTE }],
    alerts: [{ scope: `session:${SESSION.id}`, code: "TEMPLATE_LARGE_POSITION", severity: "warning" }],
  },
};
