import { MARKET_BARS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { release } from "#testing/alone-venue.fixture.ts";
import { sessionAtVenue, type Work } from "#testing/alone-work.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  before: sessionAtVenue,
  async give({ bus }, _url, venueUrl) {
    const heard: unknown[] = [];
    const tail = bus.tail({
      topic: MARKET_BARS,
      from: "now",
      handle: (events) => void heard.push(...events.map(({ data }) => data)),
    });
    await tail.ready;
    await release(venueUrl);
    const bar = (await eventually("a bar", () => heard[0])) as { openAtMs: number; close: string };
    await tail.close();
    return { openAtMs: bar.openAtMs, close: bar.close };
  },
  comesTo: { openAtMs: Date.UTC(2000, 0, 1), close: "100" },
};
