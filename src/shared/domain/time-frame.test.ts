import { describe, expect, test } from "bun:test";
import { candleOpenAtMs, madeFrom, TIME_FRAMES, type TimeFrame, timeFrameMs } from "./time-frame.ts";

describe("candleOpenAtMs", () => {
  test("a week opens on Monday at 00:00 UTC", () => {
    const monday = Date.UTC(2024, 11, 30);
    expect(candleOpenAtMs("1w", monday)).toBe(monday);
    expect(candleOpenAtMs("1w", Date.UTC(2025, 0, 5, 23, 59, 59, 999))).toBe(monday);
    expect(candleOpenAtMs("1w", Date.UTC(2025, 0, 6))).toBe(Date.UTC(2025, 0, 6));
    expect(candleOpenAtMs("1w", 0)).toBe(Date.UTC(1969, 11, 29));
  });

  test("all others open at whole multiples of their length, from midnight on", () => {
    const atMs = Date.UTC(2024, 1, 29, 17, 43, 12, 345);
    const opened = (timeFrame: TimeFrame) => new Date(candleOpenAtMs(timeFrame, atMs)).toISOString().slice(11, 19);
    expect(TIME_FRAMES.slice(0, -1).map(opened)).toEqual([
      "17:43:12",
      "17:43:00",
      "17:42:00",
      "17:40:00",
      "17:30:00",
      "17:30:00",
      "17:00:00",
      "16:00:00",
      "16:00:00",
      "12:00:00",
      "12:00:00",
      "00:00:00",
    ]);
  });

  test("a candle never reaches over the end of one that is made from it", () => {
    for (const longer of TIME_FRAMES) {
      for (const part of TIME_FRAMES.filter((one) => madeFrom(longer, [one]) !== null)) {
        for (const dayMs of [
          Date.UTC(2024, 1, 29, 23, 59, 59),
          Date.UTC(2023, 11, 31, 12),
          Date.UTC(1999, 4, 5, 6, 7, 8),
        ]) {
          const openAtMs = candleOpenAtMs(part, dayMs);
          const endMs = candleOpenAtMs(longer, openAtMs) + timeFrameMs(longer);
          expect(openAtMs + timeFrameMs(part)).toBeLessThanOrEqual(endMs);
        }
      }
    }
  });
});

describe("madeFrom", () => {
  test.each<[TimeFrame, TimeFrame[], TimeFrame | null]>([
    ["1h", ["1s", "1m", "1h", "1d"], "1h"],
    ["4h", ["1s", "1m", "1h", "1d"], "1h"],
    ["5m", ["3m", "1m"], "1m"],
    ["1w", ["1d"], "1d"],
    ["1h", ["1s"], "1s"],
    // 7,200 seconds.
    ["2h", ["1s"], null],
    ["1m", ["1h"], null],
    ["5m", ["3m"], null],
  ])("%s, where there are %p, is made from %p", (timeFrame, there, from) => {
    expect(madeFrom(timeFrame, there)).toBe(from);
  });
});
