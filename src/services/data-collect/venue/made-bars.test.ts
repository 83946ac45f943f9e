import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { barOf, FakeVenue, MINUTE_MS } from "#services/data-collect/data-collect.fixture.ts";
import { mergeBars } from "#shared/candles/merge-bars.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { candleOpenAtMs } from "#shared/domain/time-frame.ts";
import type { Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { withMadeBars } from "./made-bars.ts";

const FIVE_MS = 5 * MINUTE_MS;
const minutesOnly = { ...spx, timeFrames: ["1m" as const] };

function madeOf(venue: FakeVenue): VenueMarketData {
  return withMadeBars({ marketData: () => venue } as unknown as Exchanges).marketData("paper");
}

/** All bars of five minutes that are over, each with the one before it: written down without pages. */
function expected(minutes: readonly VenueBar[]): VenueBar[] {
  const groups = [...Map.groupBy(minutes, ({ openAtMs }) => candleOpenAtMs("5m", openAtMs)).values()];
  const bars = groups.map(([first = expect.unreachable(), ...others]) => mergeBars("5m", [first, ...others]));
  const last = bars.at(-1);
  const isOver = last?.closeAtMs === minutes.at(-1)?.closeAtMs;
  return (isOver ? bars : bars.slice(0, -1)).map((bar, index) => ({
    ...bar,
    prevOpenAtMs: bars[index - 1]?.openAtMs ?? null,
  }));
}

describe("the list of bars that a venue does not make", () => {
  test("is the same whatever is asked for, over holes and pages", async () => {
    const openings = fc.uniqueArray(fc.integer({ min: 0, max: 90 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        openings,
        fc.integer({ min: 0, max: 95 }),
        fc.integer({ min: 1, max: 20 }),
        async (all, at, limit) => {
          const venue = new FakeVenue();
          const minutes = all.toSorted((a, b) => a - b).map((n) => barOf("1m", n * MINUTE_MS, n + 1));
          for (const bar of minutes) await venue.close(bar);
          const made = madeOf(venue);
          const ask = (range: object) => made.bars({ instrument: minutesOnly, timeFrame: "5m", limit, ...range });
          const whole = expected(minutes);
          const atMs = at * MINUTE_MS;
          expect(await ask({})).toEqual(whole.slice(-limit));
          expect(await ask({ fromMs: atMs })).toEqual(whole.filter(({ openAtMs }) => openAtMs >= atMs).slice(0, limit));
          const isBefore = (bar: VenueBar) => bar.openAtMs < atMs;
          if (at > 0) expect(await ask({ toMs: atMs })).toEqual(whole.filter(isBefore).slice(-limit));
          const afterMs = candleOpenAtMs("5m", atMs);
          const behind = whole.filter(({ openAtMs }) => openAtMs > afterMs);
          expect(await ask({ afterMs })).toEqual(behind.slice(0, limit));
        },
      ),
    );
  });

  test("is read page by page, with one forming at its end left out", async () => {
    const venue = new FakeVenue();
    for (let n = 0; n < 2_503; n += 1) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
    const bars = await madeOf(venue).bars({ instrument: minutesOnly, timeFrame: "5m", fromMs: 0, limit: 1_000 });
    expect(bars).toHaveLength(500);
    expect(bars.at(-1)).toMatchObject({ openAtMs: 499 * FIVE_MS, open: "2496", close: "2500", volume: "5" });
    expect(venue.asked).toBe(3);
  });

  test("of long bars tells fewer at once than asked for: the newest of them", async () => {
    const venue = new FakeVenue();
    const queries: number[] = [];
    const bars = venue.bars.bind(venue);
    venue.bars = async (query) => {
      queries.push(query.limit);
      return await bars(query);
    };
    await madeOf(venue).bars({ instrument: minutesOnly, timeFrame: "1d", limit: 1_000 });
    expect(queries).toEqual([(13 + 2) * 1_440]);
  });

  test("of bars that the venue makes is the venue's own", async () => {
    const venue = new FakeVenue();
    await venue.close(barOf("5m", 0, 7));
    expect(await madeOf(venue).bars({ instrument: spx, timeFrame: "5m", limit: 1 })).toMatchObject([{ close: "7" }]);
  });
});

describe("frames of bars that a venue does not make", () => {
  let venue: FakeVenue;
  let heard: VenueBar[];
  let holes: number;
  let stop: AbortController;

  beforeEach(async () => {
    venue = new FakeVenue();
    heard = [];
    holes = -1;
    stop = new AbortController();
    const told = {
      onBar: (bar: VenueBar) => void heard.push(bar),
      onAlive: () => undefined,
      onConnected: () => {
        holes += 1;
      },
    };
    void madeOf(venue).followBars({ instrument: minutesOnly, timeFrame: "5m", signal: stop.signal, ...told });
    await until(() => venue.followers.size === 1);
  });

  const close = async (...minutes: number[]): Promise<void> => {
    for (const n of minutes) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
  };

  test("come with the last bar in them, once each, and are those of the list", async () => {
    await close(0, 1, 2, 3);
    expect(heard).toEqual([]);
    await close(4, 5, 6, 7, 8, 9);
    const listed = await madeOf(venue).bars({ instrument: minutesOnly, timeFrame: "5m", fromMs: 0, limit: 9 });
    expect(heard).toEqual(listed.map((bar) => ({ ...bar, prevOpenAtMs: null })));
    expect([heard.length, holes]).toEqual([2, 0]);
  });

  test("that were joined half-way, or lack a bar, tell of a hole instead: the list knows", async () => {
    await close(3, 4);
    expect([heard.length, holes]).toEqual([0, 1]);
    await close(5, 6, 8, 9);
    expect([heard.length, holes]).toEqual([0, 2]);
    await close(10, 11, 12, 13, 14);
    expect(heard.map(({ openAtMs }) => openAtMs)).toEqual([2 * FIVE_MS]);
  });

  test("whose last bar never came tell of it with the next one", async () => {
    await close(0, 1, 2, 3, 5);
    expect([heard.length, holes]).toEqual([0, 1]);
  });
});
