import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { barOf, FakeVenue, MINUTE_MS } from "#services/data-collect/data-collect.fixture.ts";
import { usableMarket } from "#services/data-collect/venue/usable-market.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import { BarFeed } from "./bar-feed.ts";
import { createSilence, type Silence } from "./silence.ts";

type Markets = Pick<Exchanges, "marketData">;

/** A feed of minutes on a venue, and the openings that it publishes, in minutes, each with the one that it names before it. */
function feedOn(
  venue: FakeVenue,
  {
    clock = systemClock,
    isReplay = true,
    exchanges: seen = (given) => given,
  }: { clock?: Clock; isReplay?: boolean; exchanges?: (given: Markets, onRefused: () => void) => Markets } = {},
) {
  const published: number[] = [];
  const links: (number | null)[][] = [];
  const bus = {
    async publishVolatile(events: readonly { data: unknown }[]) {
      for (const { data } of events) {
        const { openAtMs, prevOpenAtMs } = data as VenueBar;
        published.push(openAtMs / MINUTE_MS);
        links.push([openAtMs / MINUTE_MS, prevOpenAtMs === null ? null : prevOpenAtMs / MINUTE_MS]);
      }
    },
  } as Deps["bus"];
  const exchanges = seen({ marketData: () => venue }, () => undefined);
  const deps = { bus, exchanges, clock, failpoints: { hit: () => undefined } };
  const stop = new AbortController();
  const log = pino({ level: "silent" });
  const silence = createSilence({
    lengthMs: MINUTE_MS,
    staleAfterMs: 2_000,
    marketNowMs: isReplay ? null : () => clock.nowMs(),
    clock,
  });
  const feed = new BarFeed({ deps, log, instrument: spx, timeFrame: "1m", silence, signal: stop.signal });
  return { feed, silence, published, links, stop };
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

const minute = (n: number) => barOf("1m", n * MINUTE_MS, 1);

describe("a bar that no frame told of", () => {
  test("is read from the venue's list before the frame that showed the hole goes out", async () => {
    const venue = new FakeVenue();
    await venue.close(minute(0));
    const { feed, links, stop } = feedOn(venue);
    const running = feed.run();
    await until(() => links.length === 1);
    await venue.close(minute(1), { silent: true });
    await venue.close(minute(2));
    await until(() => links.length === 3);
    expect(links).toEqual([
      [0, null],
      [1, 0],
      [2, 1],
    ]);
    stop.abort();
    await running;
  });

  test("is asked for until the venue's list has the bar that showed the hole: later frames wait", async () => {
    const venue = new FakeVenue();
    await venue.close(minute(0));
    const { feed, published, stop } = feedOn(venue);
    const running = feed.run();
    await until(() => published.length === 1);
    venue.hidden = 2;
    await venue.close(minute(1), { silent: true });
    await venue.close(minute(2));
    venue.hidden = 3;
    await venue.close(minute(3));
    const asked = venue.asked;
    await until(() => venue.asked >= asked + 3);
    expect(published).toEqual([0]);
    venue.hidden = 0;
    await until(() => published.length === 4);
    expect(published).toEqual([0, 1, 2, 3]);
    stop.abort();
    await running;
  });

  test("between the list that is read at the start and the first frame is not passed over", async () => {
    const venue = new FakeVenue();
    for (const n of [0, 1, 2]) await venue.close(minute(n));
    venue.hidden = 2;
    const { feed, published, stop } = feedOn(venue);
    const running = feed.run();
    await until(() => published.length === 1);
    await venue.close(minute(3));
    venue.hidden = 0;
    await until(() => published.length === 4);
    expect(published).toEqual([0, 1, 2, 3]);
    stop.abort();
    await running;
  });

  test("is no hole where the venue's list has none between them, as over a night", async () => {
    const venue = new FakeVenue();
    await venue.close(minute(0));
    const { feed, links, stop } = feedOn(venue);
    const running = feed.run();
    await until(() => links.length === 1);
    await venue.close(minute(600));
    await until(() => links.length === 2);
    expect(links[1]).toEqual([600, 0]);
    stop.abort();
    await running;
  });
});

describe("a stream that is silent while its pings are answered", () => {
  test("of a replay is noticed without market time: the list is asked, and the connection made anew", async () => {
    const clock = createManualClock();
    const venue = new FakeVenue();
    await venue.close(minute(0));
    const { feed, silence, published, stop } = feedOn(venue, { clock });
    const running = feed.run();
    await until(() => published.length === 1);
    await venue.close(minute(1), { silent: true });
    feed.look();
    expect(published).toEqual([0]);
    await clock.advance(2_000);
    feed.look();
    await until(() => published.length === 2 && venue.followed === 2);
    expect(silence.staleSinceMs()).toBeNull();
    stop.abort();
    await running;
  });

  test("is stale from the moment a bar is overdue until bars have come again for 6 seconds, and asked about with growing pauses", async () => {
    const clock = createManualClock(MINUTE_MS + 1);
    const venue = new FakeVenue();
    await venue.close(minute(0));
    const { feed, silence, published, stop } = feedOn(venue, { clock, isReplay: false });
    const running = feed.run();
    await until(() => published.length === 1);
    await clock.advance(MINUTE_MS + 1_998);
    feed.look();
    expect(silence.staleSinceMs()).toBeNull();
    await clock.advance(1);
    const asked = venue.asked;
    for (let second = 0; second < 10; second += 1) {
      feed.look();
      await clock.advance(1_000);
    }
    expect(silence.staleSinceMs()).toBe(2 * MINUTE_MS + 2_000);
    expect(venue.asked - asked).toBe(3);
    await venue.close(minute(1));
    await until(() => published.length === 2);
    await clock.advance(5_999);
    expect(silence.staleSinceMs()).toBe(2 * MINUTE_MS + 2_000);
    await clock.advance(1);
    expect(silence.staleSinceMs()).toBeNull();
    stop.abort();
    await running;
  });
});

test("a bar that cannot be used is over all the same: its series is not stale until the next one is", async () => {
  const clock = createManualClock(MINUTE_MS + 1);
  const venue = new FakeVenue();
  await venue.close(minute(0));
  const { feed, silence, published, stop } = feedOn(venue, { clock, isReplay: false, exchanges: usableMarket });
  const running = feed.run();
  await until(() => published.length === 1 && venue.followers.size === 1);
  await clock.advance(MINUTE_MS);
  await venue.close(barOf("1m", MINUTE_MS, 0));
  await clock.advance(MINUTE_MS + 1_998);
  feed.look();
  expect(silence.staleSinceMs()).toBeNull();
  await clock.advance(1);
  expect(silence.staleSinceMs()).toBe(3 * MINUTE_MS + 2_000);
  stop.abort();
  await running;
});

describe("a subscription that the venue does not acknowledge", () => {
  /** Since when the feed is stale 4.999 seconds after the start, 5 seconds after it, and after the acknowledgement. */
  async function staleness(isReplay: boolean): Promise<ReturnType<Silence["staleSinceMs"]>[]> {
    const clock = createManualClock(MINUTE_MS + 1);
    const venue = new FakeVenue();
    venue.acknowledges = false;
    await venue.close(minute(0));
    const { feed, silence, stop } = feedOn(venue, { clock, isReplay });
    const running = feed.run();
    await clock.advance(4_999);
    const seen = [silence.staleSinceMs()];
    await clock.advance(1);
    // Frames may come all the same.
    await venue.close(minute(1));
    seen.push(silence.staleSinceMs());
    venue.reconnect();
    seen.push(silence.staleSinceMs());
    stop.abort();
    await running;
    return seen;
  }

  test("is stale after 5 seconds until it does, whatever frames come", async () => {
    expect(await staleness(false)).toEqual([null, MINUTE_MS + 1, null]);
  });

  test("of a replay is none: no time passes there", async () => {
    expect(await staleness(true)).toEqual([null, null, null]);
  });
});
