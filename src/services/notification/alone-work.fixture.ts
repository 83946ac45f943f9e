import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf, json, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";
import { KEY, openDesk } from "./desk.fixture.ts";
import { filled } from "./notices/filled.fixture.ts";

/** What it does when it runs alone: a session's change, its fill and a test message arrive at a webhook, in this order. */
export const work: Work = {
  async before({ db }) {
    // For its name.
    await putSession(db.sql, SESSION);
    return undefined;
  },
  async give({ db, bus }, url) {
    const desk = openDesk();
    try {
      const recipients = `${url}/api/notification/recipients`;
      const channel = { type: "webhook", url: `${desk.url}/hook`, secret: KEY };
      const { id } = await json(recipients, { name: "desk", channel });
      const running = event(SESSIONS, SESSION.id, "session.changed", { from: "STARTING", session: SESSION });
      await db.transaction(async (tx) => bus.publish(tx, [running]));
      await eventually("the change arrives", () => desk.at("/hook").some(({ title }) => title.includes("RUNNING")));
      await db.transaction(async (tx) => bus.publish(tx, [filled(SESSION)]));
      await eventually("the fill arrives", () => desk.at("/hook").some(({ kind }) => kind === "fill"));
      await json(`${recipients}/${String(id)}/test`, {});
      await eventually("the test message arrives", () => desk.at("/hook").some(({ kind }) => kind === "test"));
      const sent = await eventually("all are sent", async () => {
        const items = await itemsOf(`${recipients}/${String(id)}/messages`);
        return items.every(({ state }) => state === "sent") && items;
      });
      return {
        arrived: desk.at("/hook").map(({ seq, title }) => `${seq} ${title}`),
        listed: sent.map(({ seq, state }) => `${String(seq)} ${String(state)}`),
      };
    } finally {
      await desk.close();
    }
  },
  comesTo: {
    arrived: [
      `1 ${SESSION.name}: STARTING → RUNNING`,
      `2 BUY 1 ${SESSION.instrumentIds[0]} at 100.5 (${SESSION.name})`,
      "3 A test message for desk",
    ],
    listed: ["3 sent", "2 sent", "1 sent"],
  },
};
