import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decimal, floorToStep, plain } from "./decimal.ts";
import { type Instrument, instrumentSchema } from "./instrument.ts";
import { floorToSizeStep, rulesOf, type SizeLimits, sizeLimitsOf } from "./instrument-rules.ts";

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
  marketSizeStep: null,
  marketMinSize: "0",
  marketMaxSize: null,
  minNotional: "10",
  minNotionalAppliesToMarket: true,
  maxNotional: "1000",
  maxNotionalAppliesToMarket: true,
  priceBand: null,
  maxOpenOrders: null,
  makerFee: "0.0005",
  takerFee: "0.001",
  feeDecimals: 8,
  status: "TRADING",
  timeFrames: ["1m"],
};

test("the numbers of an instrument are read once, and are its own", () => {
  const rules = rulesOf(instrument);
  expect(rulesOf(instrument)).toBe(rules);
  expect(rules.limit.maxSize).toBeNull();
  expect([rules.takerCost, rules.limit.hundredSteps, rules.limit.minSize].map(plain)).toEqual([
    "1.001",
    "0.01",
    "0.001",
  ]);
  expect(plain(rulesOf({ ...instrument, takerFee: "0.002" }).takerCost)).toBe("1.002");
  expect(plain(rulesOf({ ...instrument, takerFee: "-0.002" }).takerCost)).toBe("1");
});

const numbersOf = (limits: SizeLimits) => {
  const { sizeStep, minSize, maxSize, minNotional, maxNotional } = limits;
  return [sizeStep, minSize, maxSize, minNotional, maxNotional].map((value) => (value === null ? null : plain(value)));
};

describe("what an order has to keep, by its type", () => {
  const of: Instrument = {
    ...instrument,
    maxSize: "50",
    marketMaxSize: "3",
    marketMinSize: "0.002",
    marketSizeStep: "0.002",
  };

  test("is LOT_SIZE and NOTIONAL for a limit order", () => {
    expect(numbersOf(sizeLimitsOf(of, "LIMIT"))).toEqual(["0.0001", "0.001", "50", "10", "1000"]);
  });

  test("is the stricter of LOT_SIZE and MARKET_LOT_SIZE for a market order, and NOTIONAL where it applies", () => {
    expect(numbersOf(sizeLimitsOf(of, "MARKET"))).toEqual(["0.002", "0.002", "3", "10", "1000"]);
    const other: Instrument = { ...of, marketMaxSize: "60", marketMinSize: "0", marketSizeStep: null };
    const free = { ...other, minNotionalAppliesToMarket: false, maxNotionalAppliesToMarket: false };
    expect(numbersOf(sizeLimitsOf(free, "MARKET"))).toEqual(["0.0001", "0.001", "50", "0", null]);
  });
});

test("an instrument whose market step is no multiple of its size step is refused", () => {
  const parsed = instrumentSchema.safeParse({ ...instrument, marketSizeStep: "0.00015" });
  expect(parsed.error?.issues.map(({ path, message }) => [path.join("."), message])).toEqual([
    ["marketSizeStep", "must be a multiple of sizeStep"],
  ]);
});

test("fees below zero, rebates, are part of an instrument", () => {
  expect(instrumentSchema.parse({ ...instrument, makerFee: "-0.0001", takerFee: "-0.0002" }).makerFee).toBe("-0.0001");
});

describe("floorToSizeStep", () => {
  test.each([
    ["0.0001", 4],
    ["1", 0],
    ["0.0005", null],
    ["10", null],
    ["25", null],
  ])("a step of %s has decimals: %p", (sizeStep, decimals) => {
    expect(rulesOf({ ...instrument, sizeStep }).limit.sizeDecimals).toBe(decimals);
  });

  test("is floorToStep, whatever the step", () => {
    const size = fc.tuple(fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n }), fc.integer({ min: 0, max: 12 }));
    const step = fc.constantFrom("0.0001", "1", "0.00000001", "0.0005", "10", "0.25");
    fc.assert(
      fc.property(size, step, ([units, places], sizeStep) => {
        const value = new Decimal(`${units}e-${places}`);
        const rules = rulesOf({ ...instrument, sizeStep }).limit;
        if (!floorToSizeStep(value, rules).eq(floorToStep(value, rules.sizeStep)))
          throw new Error(`${value.toFixed()}`);
      }),
    );
  });
});
