import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf, SIGNAL, sessionAlone, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  before: sessionAlone,
  async give({ db, queue }, url) {
    await db.transaction((tx) =>
      queue.enqueue(tx, { task: DECIDE_SIGNAL, lane: SESSION.id, payload: { signal: SIGNAL } }),
    );
    const [decision] = await eventually("a decision", async () => {
      const items = await itemsOf(`${url}/api/risk-manager/decisions?sessionId=${SESSION.id}`);
      return items.length > 0 && items;
    });
    const tasks =
      await db.sql`select type, payload -> 'order' ->> 'size' as size from queue.tasks where type = 'place-order'`;
    return { kind: decision?.["kind"], tasks: [...tasks] };
  },
  comesTo: { kind: "approved", tasks: [{ type: "place-order", size: "94.905" }] },
};
