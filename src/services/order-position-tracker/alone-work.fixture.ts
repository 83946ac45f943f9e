import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { release } from "#testing/alone-venue.fixture.ts";
import { itemsOf, ORDER, sessionAtVenue, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  before: sessionAtVenue,
  async give({ db, queue }, url, venueUrl) {
    const order = () => itemsOf(`${url}/api/order-position-tracker/orders?sessionId=${SESSION.id}`);
    await db.transaction((tx) => queue.enqueue(tx, { task: PLACE_ORDER, lane: ORDER.id, payload: { order: ORDER } }));
    await eventually("the order accepted", async () => (await order())[0]?.["state"] === "ACCEPTED");
    await release(venueUrl);
    const filled = await eventually("the order filled", async () =>
      (await order()).find(({ state }) => state === "FILLED"),
    );
    return { price: filled["averagePrice"], fees: filled["fees"] };
  },
  comesTo: { price: "100", fees: { SPX: "0.002" } },
};
