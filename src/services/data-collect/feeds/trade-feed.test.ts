import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeVenue, tradeOf } from "#services/data-collect/data-collect.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { venueTradeSchema } from "#shared/domain/candle.ts";
import { type StartedFeed, startTickFeed } from "./tick-feed.fixture.ts";
import { TradeFeed } from "./trade-feed.ts";

let venue: FakeVenue;
let published: Set<string>;
let trades: StartedFeed<TradeFeed>;

/** A feed that has heard trade 1. */
beforeEach(async () => {
  venue = new FakeVenue();
  published = new Set();
  trades = startTickFeed(
    (options) => new TradeFeed(options),
    venue,
    (data) => published.add(venueTradeSchema.parse(data).tradeId),
  );
  venue.trade(tradeOf(1));
  await until(() => venue.tradesAsked === 1);
});

afterEach(() => trades.stop());

describe("a stream of trades that is silent while its pings are answered", () => {
  test("is noticed by the venue's list: its newest trade is published, and the connection made anew", async () => {
    venue.trade(tradeOf(2), { silent: true });
    await trades.look(5);
    expect([...published]).toEqual(["1"]);
    await trades.look(1);
    await until(() => published.size === 2 && venue.tradesFollowed === 2);
    venue.trade(tradeOf(3));
    expect([...published]).toEqual(["1", "2", "3"]);
  });

  test("is noticed too where the venue's ids have begun anew", async () => {
    venue.trade({ ...tradeOf(900), atMs: 2 });
    venue.trade({ ...tradeOf(3), atMs: 3 }, { silent: true });
    await trades.look(6);
    await until(() => venue.tradesFollowed === 2);
    expect([...published]).toEqual(["1", "900", "3"]);
  });

  test("is left alone where the venue has no newer trade, and asked about with pauses that grow", async () => {
    await trades.look(600);
    expect(venue.tradesFollowed).toBe(1);
    expect([...published]).toEqual(["1"]);
    // After 6, 12, 24, 48, 96 seconds, then once a minute.
    expect(venue.tradesAsked - 1).toBeWithin(10, 15);
  });
});
