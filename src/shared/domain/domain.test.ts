import { describe, expect, test } from "bun:test";
import { decimal } from "./decimal.ts";
import { parseInstrumentId } from "./instrument.ts";
import { decimalText, positiveDecimal } from "./schemas.ts";
import { candleOpenAtMs } from "./time-frame.ts";

describe("instrument ids", () => {
  test.each([
    ["SPX/USD.paper", { symbol: "SPX/USD", venue: "paper" }],
    ["BTC/USDT:USDT.binance", { symbol: "BTC/USDT:USDT", venue: "binance" }],
    ["BRK.B/USD.paper", { symbol: "BRK.B/USD", venue: "paper" }],
    ["SPXUSD", null],
    [".paper", null],
    ["SPX/USD.", null],
  ])("split %s at the last dot", (id, expected) => {
    expect(parseInstrumentId(id)).toEqual(expected);
  });
});

describe("time frames", () => {
  test.each([
    ["1s", "2020-03-01T12:34:56.789Z", "2020-03-01T12:34:56.000Z"],
    ["1m", "2020-03-01T12:34:56.789Z", "2020-03-01T12:34:00.000Z"],
    ["1h", "2020-03-01T12:34:56.789Z", "2020-03-01T12:00:00.000Z"],
    ["1d", "2020-02-29T23:59:59.999Z", "2020-02-29T00:00:00.000Z"],
  ] as const)("%s: %s opened at %s", (timeFrame, at, expected) => {
    expect(new Date(candleOpenAtMs(timeFrame, Date.parse(at))).toISOString()).toBe(expected);
  });
});

describe("decimal text", () => {
  test.each(["1", "0.5", "-2.25", "100000000000000000000.000000000001"])("takes %s", (text) => {
    expect(decimalText.safeParse(text).success).toBe(true);
  });
  test.each(["", "1e5", "0x10", " 1", "1.", ".5", "NaN", "1,5", "+1"])("refuses %p", (text) => {
    expect(decimalText.safeParse(text).success).toBe(false);
  });
  test.each(["abc", "1e-400", "9".repeat(51)])(
    "that is none (%p) is measured by no later rule, and told once",
    (text) => {
      const told = positiveDecimal.refine((value) => decimal(value).lte(1)).safeParse(text);
      expect(told.error?.issues).toHaveLength(1);
    },
  );
  test("above zero means above zero", () => {
    expect(["0", "0.000", "-1"].map((text) => positiveDecimal.safeParse(text).success)).toEqual([false, false, false]);
    expect(positiveDecimal.safeParse("0.0001").success).toBe(true);
  });
});
