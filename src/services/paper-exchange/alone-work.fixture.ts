import { callVenue, release, venueSettings } from "#testing/alone-venue.fixture.ts";
import { ORDER, type Work } from "#testing/alone-work.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  async before(world) {
    // It stands outside the engine: neither server is there for it.
    world.settings = venueSettings(world.folder);
    return undefined;
  },
  async give(_world, url) {
    const order = { side: "BUY", type: "MARKET", quantity: "2", newClientOrderId: ORDER.clientOrderId };
    const placed = await callVenue(url, ["POST", "order"], order);
    await release(url);
    const filled = await callVenue(url, ["GET", "order"], { origClientOrderId: ORDER.clientOrderId });
    return [placed["status"], filled["status"], filled["cummulativeQuoteQty"]];
  },
  comesTo: ["NEW", "FILLED", "200"],
};
