import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { FakeVenue, tradeOf } from "#services/data-collect/data-collect.fixture.ts";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import { TradeFeed } from "./trade-feed.ts";

let venue: FakeVenue;
let clock: ManualClock;
let published: Set<string>;
let feed: TradeFeed;
let stop: AbortController;
let running: Promise<void>;

/** A feed that has heard trade 1, whose market may be quiet for 6 seconds. */
beforeEach(async () => {
  venue = new FakeVenue();
  clock = createManualClock();
  published = new Set();
  stop = new AbortController();
  const bus = {
    async publishVolatile(events: readonly { data: unknown }[]) {
      for (const { data } of events) published.add((data as VenueTrade).tradeId);
    },
  } as Deps["bus"];
  const deps = { bus, clock, exchanges: { marketData: () => venue } };
  const log = pino({ level: "silent" });
  feed = new TradeFeed({ deps, log, instrument: spx, quietAfterMs: 6_000, signal: stop.signal });
  running = feed.run();
  venue.trade(tradeOf(1));
  await until(() => venue.tradesAsked === 1);
});

afterEach(async () => {
  stop.abort();
  await running;
});

/** Looks once a second for so long. */
async function look(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await clock.advance(1_000);
    feed.look();
  }
  await clock.advance(0);
}

describe("a stream of trades that is silent while its pings are answered", () => {
  test("is noticed by the venue's list: its newest trade is published, and the connection made anew", async () => {
    venue.trade(tradeOf(2), { silent: true });
    await look(5);
    expect([...published]).toEqual(["1"]);
    await look(1);
    await until(() => published.size === 2 && venue.tradesFollowed === 2);
    venue.trade(tradeOf(3));
    expect([...published]).toEqual(["1", "2", "3"]);
  });

  test("is noticed too where the venue's ids have begun anew", async () => {
    venue.trade({ ...tradeOf(900), atMs: 2 });
    venue.trade({ ...tradeOf(3), atMs: 3 }, { silent: true });
    await look(6);
    await until(() => venue.tradesFollowed === 2);
    expect([...published]).toEqual(["1", "900", "3"]);
  });

  test("is left alone where the venue has no newer trade, and asked about with pauses that grow", async () => {
    await look(600);
    expect(venue.tradesFollowed).toBe(1);
    expect([...published]).toEqual(["1"]);
    // After 6, 12, 24, 48, 96 seconds, then once a minute.
    expect(venue.tradesAsked - 1).toBeWithin(10, 15);
  });
});
