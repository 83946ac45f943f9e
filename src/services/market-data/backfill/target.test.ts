import { describe, expect, test } from "bun:test";
import { FakeVenue, MINUTE_MS } from "#services/market-data/market-data.fixture.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { isReached, placePage, shareOf } from "./target.ts";

const venue = new FakeVenue();
const minutes = [10, 11, 12, 15, 16].map((minute) => venue.bar(minute, "10"));
const page = minutes as unknown as [VenueBar, ...VenueBar[]];
const at = { count: 7, cursorMs: 17 * MINUTE_MS, source: "bars" } as const;
const openings = (bars: readonly VenueBar[]) => bars.map(({ openAtMs }) => openAtMs / MINUTE_MS);

function placed(target: { fromMs?: number; count?: number }) {
  const { kept, count, cursorMs, isReached: reached } = placePage({ fromMs: null, count: null, ...target }, at, page);
  return [openings(kept), count, cursorMs / MINUTE_MS, reached];
}

describe("placePage", () => {
  test.each([
    [
      "a time before the page takes it all and goes on",
      { fromMs: 5 * MINUTE_MS },
      [[10, 11, 12, 15, 16], 12, 10, false],
    ],
    [
      "a time at its first bar takes it all and is reached",
      { fromMs: 10 * MINUTE_MS },
      [[10, 11, 12, 15, 16], 12, 10, true],
    ],
    ["a time within it takes the bars from there on", { fromMs: 12 * MINUTE_MS }, [[12, 15, 16], 10, 12, true]],
    [
      "a time at which the market was closed takes the bars behind it",
      { fromMs: 13 * MINUTE_MS },
      [[15, 16], 9, 15, true],
    ],
    ["a time behind the page takes none, and the cursor stays", { fromMs: 17 * MINUTE_MS }, [[], 7, 17, true]],
    ["a number takes as many as are missing", { count: 9 }, [[15, 16], 9, 15, true]],
    ["a number beyond the page takes it all and goes on", { count: 13 }, [[10, 11, 12, 15, 16], 12, 10, false]],
    ["both take what either asks for", { count: 8, fromMs: 12 * MINUTE_MS }, [[12, 15, 16], 10, 12, true]],
    ["both are reached together alone", { count: 100, fromMs: 12 * MINUTE_MS }, [[10, 11, 12, 15, 16], 12, 10, false]],
  ])("%s", (_what, target, expected) => {
    expect(placed(target)).toEqual(expected);
  });

  test("bars without a trade are no candles where trades make them, and the cursor passes them", () => {
    const [first, ...others] = page;
    const still: [VenueBar, ...VenueBar[]] = [{ ...first, volume: "0" }, ...others];
    const result = placePage({ fromMs: 0, count: null }, { ...at, source: "trades" }, still);
    expect([openings(result.kept), result.cursorMs / MINUTE_MS, result.isReached]).toEqual([
      [11, 12, 15, 16],
      10,
      false,
    ]);
    const silent: [VenueBar, ...VenueBar[]] = [{ ...first, volume: "0" }];
    const none = placePage({ fromMs: null, count: 8 }, { ...at, source: "trades" }, silent);
    expect([none.kept, none.count, none.cursorMs / MINUTE_MS, none.isReached]).toEqual([[], 7, 10, false]);
  });
});

test("isReached wants all that was asked for", () => {
  expect(isReached({ fromMs: 5, count: 3 }, { count: 3, cursorMs: 5 })).toBe(true);
  expect(isReached({ fromMs: 5, count: 3 }, { count: 2, cursorMs: 5 })).toBe(false);
  expect(isReached({ fromMs: 5, count: 3 }, { count: 3, cursorMs: 6 })).toBe(false);
});

test("shareOf is of the way from where it began, the smaller of both, from 0 to 1", () => {
  const begun = { count: 10, cursorMs: 1_000 };
  expect(shareOf({ fromMs: 0, count: null }, begun, { count: 10, cursorMs: 750 })).toBe(0.25);
  expect(shareOf({ fromMs: null, count: 30 }, begun, { count: 25, cursorMs: 750 })).toBe(0.75);
  expect(shareOf({ fromMs: 0, count: 30 }, begun, { count: 25, cursorMs: 750 })).toBe(0.25);
  expect(shareOf({ fromMs: 2_000, count: 5 }, begun, { count: 10, cursorMs: 1_000 })).toBe(1);
  expect(shareOf({ fromMs: 500, count: null }, begun, { count: 10, cursorMs: 100 })).toBe(1);
});
