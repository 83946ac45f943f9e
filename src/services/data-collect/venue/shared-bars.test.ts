import { beforeEach, describe, expect, test } from "bun:test";
import { barOf, FakeVenue, MINUTE_MS } from "#services/data-collect/data-collect.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import type { Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { withMadeBars } from "./made-bars.ts";
import { withSharedBars } from "./shared-bars.ts";

const instrument = { ...spx, timeFrames: ["1m" as const] };

let venue: FakeVenue;
let market: VenueMarketData;

beforeEach(() => {
  venue = new FakeVenue();
  market = withMadeBars(withSharedBars({ marketData: () => venue } as unknown as Exchanges)).marketData("paper");
});

/** Follows bars; counts what is told, and ends when it is told to. */
function follow(timeFrame: "1m" | "5m" | "15m") {
  const stop = new AbortController();
  const seen = { bars: 0, connected: 0, alive: 0 };
  const ended = market.followBars({
    instrument,
    timeFrame,
    signal: stop.signal,
    onBar: () => void (seen.bars += 1),
    onAlive: () => void (seen.alive += 1),
    onConnected: () => void (seen.connected += 1),
  });
  return {
    seen,
    ended,
    async leave() {
      stop.abort();
      await ended;
    },
  };
}

describe("one stream of bars that several follow", () => {
  test("is subscribed once, and each hears what concerns it", async () => {
    const all = [follow("1m"), follow("5m"), follow("15m"), follow("1m")];
    await until(() => venue.followers.size === 1);
    for (let n = 0; n < 15; n += 1) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
    expect(all.map(({ seen }) => seen.bars)).toEqual([15, 3, 1, 15]);
    expect(all.map(({ seen }) => seen.alive)).toEqual([15, 15, 15, 15]);
    expect(venue.followed).toBe(1);
    await Promise.all(all.map((one) => one.leave()));
    expect(venue.followers.size).toBe(0);
  });

  test("tells who joins later that it is connected, and nobody who has left anything more", async () => {
    const first = follow("1m");
    await until(() => first.seen.connected === 1);
    const second = follow("1m");
    expect(second.seen.connected).toBe(1);
    await first.leave();
    // Who leaves may do so because it was silent: it is made anew for the other.
    await until(() => venue.followed === 2 && second.seen.connected === 2);
    await venue.close(barOf("1m", 0, 1));
    expect([first.seen.bars, second.seen.bars]).toEqual([0, 1]);
    await second.leave();
  });

  test("that the venue refuses ends for all, and may be followed again", async () => {
    venue.followBars = async () => {
      throw new Error("refused");
    };
    const refused = [follow("1m"), follow("5m")];
    for (const { ended } of refused) expect(await failureOf(ended)).toBe("Error: refused");
    venue.followBars = FakeVenue.prototype.followBars.bind(venue);
    const again = follow("1m");
    await until(() => again.seen.connected === 1);
    await again.leave();
  });
});
