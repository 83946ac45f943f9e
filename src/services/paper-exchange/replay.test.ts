import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decimal, decimal, isMultipleOf, ZERO } from "#shared/domain/decimal.ts";
import { readBars } from "./bars.ts";
import { phaseOf, splitVolume, tradesOf } from "./replay.ts";

const rules = { timeFrame: "1d", priceStep: "0.000001", sizeStep: "0.0001" } as const;
const HEADER = "date,open,high,low,close,adjclose,volume";
const read = (...rows: string[]) => readBars([HEADER, ...rows].join("\n"), rules);

describe("readBars", () => {
  test("reads a day's bar, opening at 00:00 UTC, in plain decimals", () => {
    expect(read("2000-01-03,1469.250000,1478.000000,1438.359985,1455.219971,1455.219971,931800000")).toEqual([
      {
        n: 1,
        openAtMs: Date.UTC(2000, 0, 3),
        closeAtMs: Date.UTC(2000, 0, 4),
        open: "1469.25",
        high: "1478",
        low: "1438.359985",
        close: "1455.219971",
        volume: "931800000",
      },
    ]);
  });

  test("reads only as many as it is told", () => {
    const rows = ["2000-01-03,1,1,1,1,1,4", "2000-01-04,1,1,1,1,1,4"];
    expect(readBars([HEADER, ...rows].join("\n"), { ...rules, limit: 1 })).toHaveLength(1);
  });

  test.each([
    ["no bar", [], "none"],
    ["a price of zero", ["2000-01-03,0,1,1,1,1,1"], "Bar 1 of the file is not valid: open"],
    ["a price between steps", ["2000-01-03,1,1,1,1.0000001,1,1"], "Bar 1 of the file is not valid: price step"],
    ["a volume between steps", ["2000-01-03,1,1,1,1,1,0.00001"], "Bar 1 of the file is not valid: volume"],
    ["a date twice", ["2000-01-03,1,1,1,1,1,1", "2000-01-03,1,1,1,1,1,1"], "Bar 2 of the file is not valid: date"],
    ["no date", ["yesterday,1,1,1,1,1,1"], "Bar 1 of the file is not valid: date"],
  ])("refuses %s", (_name, rows, sentence) => {
    expect(() => read(...rows)).toThrow(sentence);
  });
});

describe("splitVolume", () => {
  test("makes four parts on the step that sum up to the volume exactly", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 16n }), (steps) => {
        const volume = new Decimal(steps.toString()).times(rules.sizeStep);
        const parts = splitVolume(volume, decimal(rules.sizeStep));
        expect(parts.reduce((sum, part) => sum.plus(part), ZERO).eq(volume)).toBe(true);
        expect(parts.every((part) => part.gte(0) && isMultipleOf(part, decimal(rules.sizeStep)))).toBe(true);
      }),
    );
  });
});

describe("tradesOf", () => {
  test("numbers the trades of all bars without a gap, in the order of the bar's path", () => {
    const bars = read("2000-01-03,10,12,9,11,0,7", "2000-01-04,11,13,8,9,0,8");
    const trades = bars.flatMap((bar) => tradesOf(bar, rules.sizeStep));
    expect(trades.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(trades.map(({ price }) => price)).toEqual(["10", "9", "12", "11", "11", "13", "8", "9"]);
    expect(trades.slice(0, 4).map(({ size }) => size)).toEqual(["1.75", "1.75", "1.75", "1.75"]);
    expect(trades.slice(2, 4).map(({ atMs }) => atMs)).toEqual([Date.UTC(2000, 0, 3), Date.UTC(2000, 0, 4)]);
  });
});

describe("phaseOf", () => {
  test("names the price shown last", () => {
    const bars = read("2000-01-03,10,12,9,11,0,7", "2000-01-04,11,13,8,9,0,8");
    const phases = (bar: number) => [0, 1, 2, 3, 4].map((points) => phaseOf({ bar, points }, bars));
    expect(phases(0)).toEqual(["start", "open", "low", "high", "close"]);
    expect(phases(1)).toEqual(["bar-closed", "open", "high", "low", "close"]);
  });
});
