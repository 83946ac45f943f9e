import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { FakeVenue, quoteOf } from "#services/data-collect/data-collect.fixture.ts";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Quote } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import { QuoteFeed } from "./quote-feed.ts";

let venue: FakeVenue;
let clock: ManualClock;
let bids: number[];
let feed: QuoteFeed;
let stop: AbortController;
let running: Promise<void>;

/** A feed of a venue whose bid is 9, and whose book may be quiet for 6 seconds. */
beforeEach(async () => {
  venue = new FakeVenue();
  venue.standing = quoteOf(10);
  clock = createManualClock();
  bids = [];
  stop = new AbortController();
  const bus = {
    async publishVolatile(events: readonly { data: unknown }[]) {
      for (const { data } of events) bids.push(Number((data as Quote).bid));
    },
  } as Deps["bus"];
  const deps = { bus, clock, exchanges: { marketData: () => venue } };
  const log = pino({ level: "silent" });
  feed = new QuoteFeed({ deps, log, instrument: spx, quietAfterMs: 6_000, signal: stop.signal });
  running = feed.run();
  await until(() => bids.length === 1);
  await clock.advance(100);
});

afterEach(async () => {
  stop.abort();
  await running;
});

async function look(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await clock.advance(1_000);
    feed.look();
  }
  await clock.advance(0);
}

describe("a stream of quotes", () => {
  test("begins with what the venue tells when it is asked, and goes on with its frames", async () => {
    venue.quoteAt(quoteOf(20));
    await until(() => bids.length === 2);
    expect(bids).toEqual([9, 19]);
  });

  test("of hundreds a second tells the first and then the newest, ten a second", async () => {
    for (let price = 101; price <= 300; price += 1) venue.quoteAt(quoteOf(price));
    await clock.advance(100);
    for (let price = 301; price <= 400; price += 1) venue.quoteAt(quoteOf(price));
    await clock.advance(100);
    await clock.advance(100);
    expect(bids).toEqual([9, 100, 299, 399]);
  });

  test("repeats what stands, and no longer once the venue could not be asked", async () => {
    feed.repeat();
    await clock.advance(100);
    expect(bids).toEqual([9, 9]);
    venue.standing = null;
    await look(6);
    feed.repeat();
    await clock.advance(100);
    expect(bids).toEqual([9, 9]);
  });

  test("that is silent while the book moves is made anew, and one of a quiet book is left alone", async () => {
    await look(120);
    expect(venue.quotesFollowed).toBe(1);
    venue.quoteAt(quoteOf(30), { silent: true });
    await look(60);
    await until(() => venue.quotesFollowed === 2);
    expect(bids.at(-1)).toBe(29);
  });

  test("that was lost tells what it missed with its next connection", async () => {
    venue.quoteAt(quoteOf(30), { silent: true });
    venue.reconnect();
    await until(() => bids.length === 2);
    expect(bids).toEqual([9, 29]);
  });
});
