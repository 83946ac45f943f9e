import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decimal, decimal, isMultipleOf, ZERO } from "#shared/domain/decimal.ts";
import { readBars } from "./bars.ts";
import { phaseOf, splitVolume, tradesOf } from "./replay.ts";

const rules = { timeFrame: "1d", priceStep: "0.000001", sizeStep: "0.0001", file: "bars.csv" } as const;
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
    ["a date", "1d", "2000-01-03", Date.UTC(2000, 0, 3)],
    ["a time of day", "1m", "2024-01-02T03:04:00Z", Date.UTC(2024, 0, 2, 3, 4)],
    ["a time without a zone, as UTC", "1m", "2024-01-02T03:04:00", Date.UTC(2024, 0, 2, 3, 4)],
    ["a time of another zone", "1h", "2024-01-02T03:00:00+02:00", Date.UTC(2024, 0, 2, 1)],
    ["milliseconds since 1970", "1s", String(Date.UTC(2024, 0, 2, 3, 4, 5)), Date.UTC(2024, 0, 2, 3, 4, 5)],
  ] as const)("reads %s", (_what, timeFrame, text, openAtMs) => {
    const [bar] = readBars(`${HEADER}\n${text},1,1,1,1,1,4`, { ...rules, timeFrame });
    expect(bar?.openAtMs).toBe(openAtMs);
  });

  test.each([
    ["no bar", [], "bars.csv: it holds no bars."],
    ["a price of zero", ["2000-01-03,0,1,1,1,1,1"], 'bars.csv, line 2: open "0" must be above zero.'],
    [
      "a price between steps",
      ["2000-01-03,1,2,1,1.0000001,1,1"],
      "line 2: close 1.0000001 is no multiple of the price step",
    ],
    [
      "a volume between steps",
      ["2000-01-03,1,1,1,1,1,0.00001"],
      "line 2: volume 0.00001 is no multiple of the size step",
    ],
    [
      "a date twice",
      ["2000-01-03,1,1,1,1,1,1", "2000-01-03,1,1,1,1,1,1"],
      "line 3: its time is not after the bar before it",
    ],
    [
      "no date",
      ["yesterday,1,1,1,1,1,1"],
      'line 2: date "yesterday" has to be like 2024-01-02, 2024-01-02T03:04:00Z or',
    ],
    ["a time within a bar", ["2000-01-03T10:00:00Z,1,1,1,1,1,1"], "is not where a 1d bar opens in UTC"],
    ["a short row", ["2000-01-03,1,1,1,1,1,1", "2000-01-04,1,1"], "line 3: it has another number of fields than"],
    ["an open quote", ["2000-01-03,1,1,1,1,1,1", '"2000-01-04,1,1,1,1,1,1'], "a quote is opened and never closed"],
    ["a low above the high", ["2000-01-03,2,1,3,2,1,1"], "line 2: open 2 is not between low 3 and high 1"],
    ["a close above the high", ["2000-01-03,2,3,1,4,1,1"], "line 2: close 4 is not between low 1 and high 3"],
  ])("refuses %s, with file and line", (_name, rows, sentence) => {
    expect(() => read(...rows)).toThrow(sentence);
  });

  test("refuses a file without one of the columns", () => {
    expect(() => readBars("date,open,high,low,close\n2000-01-03,1,1,1,1", rules)).toThrow(
      'line 1: there is no column "volume"',
    );
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
