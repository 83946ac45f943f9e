import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decimal, floorToStep, plain } from "./decimal.ts";
import type { Instrument } from "./instrument.ts";
import { floorToSizeStep, rulesOf } from "./instrument-rules.ts";

const instrument: Instrument = {
  id: "SPX/USD.paper",
  symbol: "SPX/USD",
  venue: "paper",
  venueSymbol: "SPXUSD",
  base: "SPX",
  quote: "USD",
  priceStep: "0.01",
  sizeStep: "0.0001",
  minSize: "0.001",
  maxSize: null,
  minNotional: "10",
  maxNotional: "1000",
  makerFee: "0.0005",
  takerFee: "0.001",
  feeDecimals: 8,
  status: "TRADING",
  timeFrames: ["1m"],
};

test("the numbers of an instrument are read once, and are its own", () => {
  const rules = rulesOf(instrument);
  expect(rulesOf(instrument)).toBe(rules);
  expect(rules.maxSize).toBeNull();
  expect([rules.takerCost, rules.hundredSteps, rules.minSize].map(plain)).toEqual(["1.001", "0.01", "0.001"]);
  expect(plain(rulesOf({ ...instrument, takerFee: "0.002" }).takerCost)).toBe("1.002");
});

describe("floorToSizeStep", () => {
  test.each([
    ["0.0001", 4],
    ["1", 0],
    ["0.0005", null],
    ["10", null],
    ["25", null],
  ])("a step of %s has decimals: %p", (sizeStep, decimals) => {
    expect(rulesOf({ ...instrument, sizeStep }).sizeDecimals).toBe(decimals);
  });

  test("is floorToStep, whatever the step", () => {
    const size = fc.tuple(fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n }), fc.integer({ min: 0, max: 12 }));
    const step = fc.constantFrom("0.0001", "1", "0.00000001", "0.0005", "10", "0.25");
    fc.assert(
      fc.property(size, step, ([units, places], sizeStep) => {
        const value = new Decimal(`${units}e-${places}`);
        const rules = rulesOf({ ...instrument, sizeStep });
        if (!floorToSizeStep(value, rules).eq(floorToStep(value, rules.sizeStep)))
          throw new Error(`${value.toFixed()}`);
      }),
    );
  });
});
