import { describe, expect, test } from "bun:test";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { chooseDaySeries, newestSeries } from "./day-series.ts";

const HOUR_MS = timeFrameMs("1h");
const NOW_MS = 1_000 * HOUR_MS;

/** A series that reaches so many hours back from now, and ended so many hours ago. */
const span = (timeFrame: TimeFrame, hours: number, endedHours = 0) => ({
  timeFrame,
  firstOpenAtMs: NOW_MS - hours * HOUR_MS,
  headOpenAtMs: NOW_MS - endedHours * HOUR_MS - timeFrameMs(timeFrame),
});

describe("the series that the statistics of a day are counted from", () => {
  test.each([
    ["is the shortest of those that reach back a day", [span("1h", 99), span("1m", 24), span("1s", 23)], "1m"],
    ["is the one that reaches back furthest where none does", [span("1s", 1), span("1m", 9), span("5m", 8)], "1m"],
    ["is none that ended long ago", [span("1m", 99, 5), span("1h", 48)], "1h"],
    ["may end a candle before the newest", [span("1s", 1), span("1h", 48, 1)], "1h"],
    ["is a day's where there is no other", [span("1d", 24)], "1d"],
    ["is none where there is none", [], undefined],
  ] as const)("%s", (_what, spans, timeFrame) => {
    expect(chooseDaySeries(spans)?.timeFrame).toBe(timeFrame as TimeFrame);
  });
});

test("the last price is of the series whose newest candle ended last", () => {
  expect(newestSeries([span("1d", 48, 3), span("1m", 1), span("1h", 9, 1)])?.timeFrame).toBe("1m");
  expect(newestSeries([])).toBeNull();
});
