import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import { BarFeed } from "./bar-feed.ts";
import { barOf, FakeVenue, MINUTE_MS } from "./data-collect.fixture.ts";

/** A feed of minutes on a venue, and the openings that it publishes, in minutes. */
function feedOn(venue: FakeVenue) {
  const published: number[] = [];
  const bus = {
    async publishVolatile(events: readonly { data: unknown }[]) {
      for (const { data } of events) published.push((data as VenueBar).openAtMs / MINUTE_MS);
    },
  } as Deps["bus"];
  const exchanges = { marketData: () => venue } as unknown as Exchanges;
  const deps = { bus, exchanges, clock: systemClock, failpoints: { hit: () => undefined } };
  const stop = new AbortController();
  const log = pino({ level: "silent" });
  const feed = new BarFeed({ deps, log, instrument: spx, timeFrame: "1m", signal: stop.signal });
  return { feed, published, stop };
}

/** Answers as the list stands when it is asked, after the gate has opened. */
class SlowVenue extends FakeVenue {
  gate: Promise<void> = Promise.resolve();
  override async bars(query: Parameters<FakeVenue["bars"]>[0]): Promise<VenueBar[]> {
    const told = await super.bars(query);
    await this.gate;
    return told;
  }
}

describe("a feed of bars", () => {
  test("ends with the venue's refusal, so that it is started again", async () => {
    const venue = new FakeVenue();
    venue.bars = async () => {
      throw new AppError("VENUE_REFUSED", "permanent", "The venue refuses.");
    };
    const { feed } = feedOn(venue);
    const ended = await feed.run().catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: "VENUE_REFUSED" });
    expect(venue.followers.size).toBe(0);
  });

  test("a stop while the venue is asked is no failure", async () => {
    const venue = new FakeVenue();
    venue.failures = Number.POSITIVE_INFINITY;
    const { feed, stop } = feedOn(venue);
    const running = feed.run();
    stop.abort();
    await running;
  });

  test("frames beyond what may wait are read from the venue's list, none is missing", async () => {
    const venue = new SlowVenue();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    venue.gate = gate;
    await venue.close(barOf("1m", 0, 1));
    const { feed, published, stop } = feedOn(venue);
    const running = feed.run();
    for (let n = 1; n <= 2_500; n += 1) await venue.close(barOf("1m", n * MINUTE_MS, 1));
    open();
    await until(() => published.length > 2_500);
    expect(published).toEqual(Array.from({ length: 2_501 }, (_, n) => n));
    stop.abort();
    await running;
  });
});
