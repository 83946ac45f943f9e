import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeVenue, quoteOf } from "#services/data-collect/data-collect.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { quoteSchema } from "#shared/domain/candle.ts";
import { QuoteFeed } from "./quote-feed.ts";
import { type StartedFeed, startTickFeed } from "./tick-feed.fixture.ts";

let venue: FakeVenue;
let bids: number[];
let quotes: StartedFeed<QuoteFeed>;

/** A feed of a venue whose bid is 9. */
beforeEach(async () => {
  venue = new FakeVenue();
  venue.standing = quoteOf(10);
  bids = [];
  quotes = startTickFeed(
    (options) => new QuoteFeed(options),
    venue,
    (data) => bids.push(Number(quoteSchema.parse(data).bid)),
  );
  await until(() => bids.length === 1);
  await quotes.clock.advance(100);
});

afterEach(() => quotes.stop());

describe("a stream of quotes", () => {
  test("begins with what the venue tells when it is asked, and goes on with its frames", async () => {
    venue.quoteAt(quoteOf(20));
    await until(() => bids.length === 2);
    expect(bids).toEqual([9, 19]);
  });

  test("of hundreds a second tells the first and then the newest, ten a second", async () => {
    for (let price = 101; price <= 300; price += 1) venue.quoteAt(quoteOf(price));
    await quotes.clock.advance(100);
    for (let price = 301; price <= 400; price += 1) venue.quoteAt(quoteOf(price));
    await quotes.clock.advance(100);
    await quotes.clock.advance(100);
    expect(bids).toEqual([9, 100, 299, 399]);
  });

  test("repeats what stands, and no longer once the venue could not be asked", async () => {
    quotes.feed.repeat();
    await quotes.clock.advance(100);
    expect(bids).toEqual([9, 9]);
    venue.standing = null;
    await quotes.look(6);
    quotes.feed.repeat();
    await quotes.clock.advance(100);
    expect(bids).toEqual([9, 9]);
  });

  test("that is silent while the book moves is made anew, and one of a quiet book is left alone", async () => {
    await quotes.look(120);
    expect(venue.quotesFollowed).toBe(1);
    venue.quoteAt(quoteOf(30), { silent: true });
    await quotes.look(60);
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
