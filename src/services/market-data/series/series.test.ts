import { describe, expect, test } from "bun:test";
import { formingNumber, headOf, numbered, type Series } from "./series.ts";

const series: Series = {
  instrumentId: "A/B.x",
  timeFrame: "1m",
  source: "bars",
  forming: true,
  history: 1,
  firstN: 1,
  headN: 7,
  headOpenAtMs: 420_000,
  lastTradeId: null,
};

const bar = (openAtMs: number, prevOpenAtMs: number | null) => ({
  instrumentId: "A/B.x",
  timeFrame: "1m" as const,
  openAtMs,
  closeAtMs: openAtMs + 60_000,
  open: "1",
  high: "1",
  low: "1",
  close: "1",
  volume: "1",
  prevOpenAtMs,
  receivedAtMs: 1,
});

describe("numbers", () => {
  test("go on behind the head", () => {
    expect(numbered(series, [bar(480_000, 420_000), bar(600_000, 480_000)]).map(({ n }) => n)).toEqual([8, 9]);
    expect(headOf(series)).toMatchObject({ firstN: 1, headN: 7 });
    expect(headOf({ ...series, headN: 0, headOpenAtMs: null })).toMatchObject({ firstN: 0, headN: 0 });
  });

  test.each([
    ["the candle behind the head", 480_000, null, 8],
    ["one before it is still open", 540_000, 480_000, 9],
    ["the one before it is the head", 480_000, 420_000, 8],
    ["the one before it is below the head", 480_000, 360_000, 8],
  ])("of a forming candle: %s", (_name, openAtMs, beforeOpenAtMs, n) => {
    expect(formingNumber(series, openAtMs, beforeOpenAtMs)).toBe(n);
  });
});
