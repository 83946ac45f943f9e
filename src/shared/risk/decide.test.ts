import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyFill, type Book, createBook } from "#shared/accounting/book.ts";
import { Decimal, decimal, isMultipleOf, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { Intent } from "#shared/domain/signal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type ApprovedOrder, type DecisionInput, decide } from "#shared/risk/decide.ts";

const SPX: Instrument = { ...spx, priceStep: "0.01" };
const POLICY: RiskPolicy = {
  sizing: { method: "percent-of-equity", percent: "95" },
  maxOrderNotional: null,
  maxPositionNotional: null,
  signalValidityMs: null,
  degradedEntries: "deny-stale",
};
const BUY: Intent = { kind: "enter", side: "BUY", style: { type: "MARKET" } };
const EXIT: Intent = { kind: "exit", style: { type: "MARKET" } };

function holding(size: string) {
  if (size === "0") return createBook(decimal("10000"));
  const fill = { side: "BUY", price: decimal("100"), size: decimal(size), fee: ZERO, feeAsset: "USD" } as const;
  return applyFill(createBook(decimal("10000")), fill, SPX);
}

function input(change: Partial<DecisionInput> = {}): DecisionInput {
  return {
    intent: BUY,
    mark: decimal("100"),
    policy: POLICY,
    instrument: SPX,
    book: holding("0"),
    reserved: { quote: ZERO, base: ZERO },
    ...change,
  };
}

/** The one order of an approval. */
function onlyOrder(change: Partial<DecisionInput>): ApprovedOrder {
  const decision = decide(input(change));
  if (decision.kind === "denied") throw new Error(`It is denied: ${decision.code}.`);
  const [order, ...others] = decision.orders;
  if (order === undefined || others.length > 0) throw new Error("It is not one order.");
  return order;
}

function verdict(change: Partial<DecisionInput>): string {
  const decision = decide(input(change));
  if (decision.kind === "denied") return decision.code;
  return `${decision.side} ${decision.orders.map(({ size }) => plain(size)).join(" ")}`;
}

const limit = (price: string): Intent => ({
  kind: "enter",
  side: "BUY",
  style: { type: "LIMIT", price, timeInForce: "GTC" },
});
const percent = (share: string): RiskPolicy => ({ ...POLICY, sizing: { method: "percent-of-equity", percent: share } });
const BAND = { bidUp: "1.1", bidDown: "0.5", askUp: "2", askDown: "0.8" };
const exitAt = (price: string): Intent => ({ kind: "exit", style: { type: "LIMIT", price, timeInForce: "GTC" } });
const fixed = (size: string): RiskPolicy => ({ ...POLICY, sizing: { method: "fixed-size", size } });

describe("decide, sizes", () => {
  test("a percent-of-equity buy is the largest multiple of the step that the share can pay, fee included", () => {
    const mark = fc.integer({ min: 1, max: 100_000_000 }).map((cents) => decimal(String(cents)).times("0.0001"));
    const cash = fc.integer({ min: 1_000, max: 1_000_000_000 }).map((cents) => decimal(String(cents)).times("0.01"));
    fc.assert(
      fc.property(mark, cash, fc.integer({ min: 1, max: 100 }), (at, money, percent) => {
        const policy: RiskPolicy = { ...POLICY, sizing: { method: "percent-of-equity", percent: String(percent) } };
        const decision = decide(input({ mark: at, book: createBook(money), policy }));
        const cost = (size: Decimal) => size.times(at).times("1.001");
        const share = money.times(percent).div(100);
        if (decision.kind === "denied") {
          // Only where the smallest order of the instrument costs more than the share.
          const smallest = decimal("10").div(at.times("0.0001")).ceil().times("0.0001");
          expect(cost(smallest).gt(share)).toBe(true);
          return;
        }
        const { size, reserve } = onlyOrder({ mark: at, book: createBook(money), policy });
        expect(isMultipleOf(size, decimal("0.0001"))).toBe(true);
        expect(cost(size).lte(share)).toBe(true);
        expect(cost(size.plus("0.0001")).gt(share)).toBe(true);
        expect(plain(reserve.quote)).toBe(plain(cost(size)));
      }),
    );
  });

  test("a share that is an exact multiple of the step is used to the last step", () => {
    expect(
      verdict({
        mark: decimal("100"),
        book: createBook(decimal("1001")),
        policy: { ...POLICY, sizing: { method: "percent-of-equity", percent: "100" } },
      }),
    ).toBe("BUY 10");
  });

  test("percent 100 with dust on the account is sized down to what the cash pays with the fee", () => {
    const policy = percent("100");
    const book: Book = { cash: decimal("10000"), sizes: new Map([[SPX.id, decimal("0.00005")]]) };
    const { size, reserve } = onlyOrder({ book, policy });
    // 99.9001 * 100 * 1.001 would be 10000.00001... of 10000.005 equity.
    expect([plain(size), plain(reserve.quote)]).toEqual(["99.9", "9999.99"]);
  });

  test("a share of the equity is never denied for the cash where a step above the minimums can be paid", () => {
    const cents = (max: number) => fc.integer({ min: 1, max }).map((n) => new Decimal(n).div(100));
    const held = fc.integer({ min: 0, max: 10_000_000 }).map((n) => new Decimal(n).div(1_000_000));
    fc.assert(
      fc.property(
        fc.record({ cash: cents(10_000_000), held, mark: cents(1_000_000), reserved: cents(100_000) }),
        fc.integer({ min: 1, max: 100 }),
        ({ cash, held: size, mark, reserved }, share) => {
          const book: Book = { cash, sizes: new Map([[SPX.id, size]]) };
          const policy = percent(String(share));
          const decision = decide(input({ book, policy, mark, reserved: { quote: reserved, base: ZERO } }));
          const available = cash.minus(reserved);
          const smallest = Decimal.max(new Decimal(10).div(mark).div("0.0001").ceil(), 1).times("0.0001");
          const costOf = (wanted: Decimal) => wanted.times(mark).times("1.001");
          if (decision.kind === "denied") {
            const payable = costOf(smallest).lte(available);
            expect(decision.code === "INSUFFICIENT_BALANCE" && payable).toBe(false);
            return;
          }
          const [order] = decision.orders as [ApprovedOrder];
          const next = costOf(order.size.plus("0.0001"));
          expect(order.reserve.quote.lte(available)).toBe(true);
          expect(next.gt(available) || next.gt(cash.plus(size.times(mark)).times(share).div(100))).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("equity counts the position at the mark", () => {
    // 9000 USD and 10 SPX at 200: equity 11000, of it 5 percent.
    const policy: RiskPolicy = { ...POLICY, sizing: { method: "percent-of-equity", percent: "5" } };
    expect(verdict({ book: holding("10"), mark: decimal("200"), policy })).toBe("BUY 2.7472");
  });

  test("an exit sells the whole position, floored to the step, and only reduces", () => {
    const decision = decide(input({ intent: EXIT, book: holding("1.23456") }));
    expect(decision).toMatchObject({ kind: "approved", side: "SELL", reduceOnly: true });
    expect(verdict({ intent: EXIT, book: holding("1.23456") })).toBe("SELL 1.2345");
  });
});

describe("decide, reservations", () => {
  test("what is reserved is not sold or spent twice", () => {
    const reserved = { quote: decimal("600"), base: decimal("1") };
    expect(verdict({ intent: EXIT, book: holding("1"), reserved })).toBe("NO_POSITION");
    expect(verdict({ reserved, policy: fixed("95") })).toBe("INSUFFICIENT_BALANCE");
    expect(verdict({ reserved })).toBe("BUY 93.906");
    expect(verdict({ reserved: { quote: decimal("9995"), base: ZERO } })).toBe("INSUFFICIENT_BALANCE");
    expect(verdict({ reserved: { quote: decimal("10001"), base: ZERO } })).toBe("INSUFFICIENT_BALANCE");
  });

  test("a limit order above the mark is measured at its limit", () => {
    expect(plain(onlyOrder({ intent: limit("110"), policy: fixed("90") }).reserve.quote)).toBe("9909.9");
  });

  test("no sequence of approvals reserves more than the cash", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 20 }), (sizes) => {
        let quote = ZERO;
        for (const steps of sizes) {
          const policy = fixed(plain(decimal(String(steps)).times("0.0001")));
          const decision = decide(input({ policy, reserved: { quote, base: ZERO } }));
          if (decision.kind === "approved")
            for (const order of decision.orders) quote = quote.plus(order.reserve.quote);
        }
        expect(quote.lte("10000")).toBe(true);
      }),
    );
  });
});

describe("decide, exits that are too large for one order", () => {
  test.each<[string, Partial<Instrument>, string]>([
    ["max notional 520 with applyMaxToMarket: false", { maxNotional: "520", maxNotionalAppliesToMarket: false }, "10"],
    ["max notional 520", { maxNotional: "520" }, "5 5"],
    ["MARKET_LOT_SIZE max 3", { marketMaxSize: "3" }, "2.5 2.5 2.5 2.5"],
    ["LOT_SIZE max 3 and a step of 1", { maxSize: "3", sizeStep: "1" }, "3 3 2 2"],
    ["MARKET_LOT_SIZE max 3.00005 beside a step of 1", { marketMaxSize: "3.00005", sizeStep: "1" }, "3 3 2 2"],
    ["two maximums, the smaller counts", { maxSize: "9", marketMaxSize: "6", maxNotional: "700" }, "5 5"],
    // Two of 5 would each be below the least of 6: what no order closes stays.
    ["max 9 and min 6", { maxSize: "9", minSize: "6" }, "9"],
    ["max 4 and min notional 400", { maxSize: "4", minNotional: "400" }, "4 4"],
    ["max 4 and MAX_NUM_ORDERS 2: the rest follows", { maxSize: "4", maxOpenOrders: 2 }, "3.3334 3.3333"],
  ])("%s", (_what, rules, sizes) => {
    expect(verdict({ intent: EXIT, book: holding("10"), instrument: { ...SPX, ...rules } })).toBe(`SELL ${sizes}`);
  });

  test.each([
    [0, "SELL 10"],
    [1, "SELL 5 5"],
    [2, "SELL 2.5 2.5 2.5 2.5"],
    [9, "SELL 1.25 1.25 1.25 1.25 1.25 1.25 1.25 1.25"],
  ])("max notional 1000 where the venue measures at its own average and has refused %p: %s", (refusals, expected) => {
    const instrument: Instrument = { ...SPX, maxNotional: "1000" };
    expect(verdict({ intent: EXIT, book: holding("10"), instrument, refusals })).toBe(expected);
    const narrow: Instrument = { ...SPX, maxNotional: "1000", minNotional: "900" };
    expect(verdict({ intent: EXIT, book: holding("10"), instrument: narrow, refusals })).toBe("SELL 10");
  });

  test("a limit order is measured at its limit, and by no rule of market orders", () => {
    const instrument: Instrument = { ...SPX, maxNotional: "1000", marketMaxSize: "3" };
    expect(verdict({ intent: exitAt("100"), book: holding("10"), instrument })).toBe("SELL 10");
    expect(verdict({ intent: exitAt("200"), book: holding("10"), instrument })).toBe("SELL 5 5");
  });

  test("an instrument whose largest order is below its smallest takes none", () => {
    const instrument: Instrument = { ...SPX, maxSize: "3", minSize: "4" };
    expect(verdict({ intent: EXIT, book: holding("10"), instrument })).toBe("SIZE_ABOVE_MAXIMUM");
  });

  test("sum to the floored size, each within the limits, in as few orders as these allow", () => {
    const steps = (max: number) => fc.integer({ min: 1, max }).map((n) => new Decimal(n).times("0.0001"));
    const rule = fc.record({
      maxSize: fc.option(steps(100_000)),
      marketMaxSize: fc.option(steps(100_000)),
      maxNotional: fc.option(fc.integer({ min: 20, max: 5_000 })),
      minSize: steps(500),
      minNotional: fc.integer({ min: 0, max: 10 }),
      maxOpenOrders: fc.option(fc.integer({ min: 1, max: 20 })),
      sizeStep: fc.constantFrom("0.0001", "0.0003", "0.01"),
    });
    const held = fc.integer({ min: 1, max: 2_000_000 }).map((n) => new Decimal(n).times("0.00005"));
    const cents = fc.integer({ min: 100, max: 20_000 }).map((n) => new Decimal(n).div(100));
    fc.assert(
      fc.property(rule, held, cents, (of, size, mark) => {
        const text = (value: Decimal | number | null) => (value === null ? null : plain(new Decimal(value)));
        const instrument: Instrument = {
          ...SPX,
          ...of,
          maxSize: text(of.maxSize),
          marketMaxSize: text(of.marketMaxSize),
          maxNotional: text(of.maxNotional),
          minSize: plain(of.minSize),
          minNotional: String(of.minNotional),
        };
        const book: Book = { cash: ZERO, sizes: new Map([[SPX.id, size]]) };
        const decision = decide(input({ intent: EXIT, mark, book, instrument }));
        if (decision.kind === "denied") {
          // Below a minimum as a whole, or no order at all is allowed; never for being too large.
          const largest = Decimal.min(
            of.maxSize ?? size,
            of.marketMaxSize ?? size,
            mark.pow(-1).times(of.maxNotional ?? 1e9),
          );
          const smallest = Decimal.max(of.minSize, mark.pow(-1).times(of.minNotional));
          expect(decision.code.endsWith("BELOW_MINIMUM") || largest.lt(smallest.plus(of.sizeStep))).toBe(true);
          return;
        }
        const sizes = decision.orders.map((order) => order.size);
        const allowed = (part: Decimal) =>
          part.lte(of.maxSize ?? part) &&
          part.lte(of.marketMaxSize ?? part) &&
          part.times(mark).lte(of.maxNotional ?? part.times(mark));
        for (const part of sizes) {
          expect(isMultipleOf(part, decimal(of.sizeStep)) && allowed(part)).toBe(true);
          expect(part.gte(of.minSize) && part.times(mark).gte(of.minNotional)).toBe(true);
        }
        const sum = sizes.reduce((total, part) => total.plus(part), ZERO);
        const left = size.minus(sum);
        expect(left.isNegative()).toBe(false);
        expect(sizes.length <= (of.maxOpenOrders ?? 100)).toBe(true);
        // One order fewer, all of the largest size there is, would not have closed as much.
        const largest = sizes[0] as Decimal;
        expect(largest.minus(sizes.at(-1) as Decimal).lte(of.sizeStep)).toBe(true);
        if (sizes.length === (of.maxOpenOrders ?? 100) || left.lt(of.sizeStep)) return;
        const isDust = left.lt(of.minSize) || left.times(mark).lt(of.minNotional) || left.lt(of.sizeStep);
        expect(isDust && !allowed(largest.plus(of.sizeStep))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("decide, limits", () => {
  test.each([
    ["INSTRUMENT_NOT_TRADING", { instrument: { ...SPX, status: "HALTED" as const } }],
    ["SIDE_NOT_SUPPORTED", { intent: { ...BUY, side: "SELL" as const } as Intent }],
    ["NO_POSITION", { intent: EXIT }],
    ["PRICE_NOT_ON_STEP", { intent: limit("99.999") }],
    ["SIZE_BELOW_MINIMUM", { policy: fixed("0.00009") }],
    ["SIZE_BELOW_MINIMUM", { intent: EXIT, book: holding("0.00005") }],
    ["SIZE_ABOVE_MAXIMUM", { instrument: { ...SPX, maxSize: "90" } }],
    ["NOTIONAL_BELOW_MINIMUM", { policy: fixed("0.0999") }],
    ["NOTIONAL_BELOW_MINIMUM", { intent: EXIT, book: holding("0.0999") }],
    ["NOTIONAL_ABOVE_MAXIMUM", { instrument: { ...SPX, maxNotional: "9000" } }],
    ["SIZE_ABOVE_MAXIMUM", { instrument: { ...SPX, marketMaxSize: "3" } }],
    ["SIZE_BELOW_MINIMUM", { instrument: { ...SPX, marketMinSize: "2" }, policy: fixed("1") }],
    ["BUY 0.5", { instrument: { ...SPX, marketSizeStep: "0.25" }, policy: fixed("0.6") }],
    ["BUY 0.6", { instrument: { ...SPX, marketSizeStep: "0.25" }, policy: fixed("0.6"), intent: limit("100") }],
    ["BUY 4", { instrument: { ...SPX, marketMaxSize: "3" }, policy: fixed("4"), intent: limit("100") }],
    ["BUY 10", { instrument: { ...SPX, maxNotional: "520", maxNotionalAppliesToMarket: false }, policy: fixed("10") }],
    [
      "NOTIONAL_ABOVE_MAXIMUM",
      {
        instrument: { ...SPX, maxNotional: "520", maxNotionalAppliesToMarket: false },
        policy: fixed("10"),
        intent: limit("52.01"),
      },
    ],
    ["BUY 0.05", { instrument: { ...SPX, minNotionalAppliesToMarket: false }, policy: fixed("0.05") }],
    [
      "NOTIONAL_BELOW_MINIMUM",
      { instrument: { ...SPX, minNotionalAppliesToMarket: false }, policy: fixed("0.05"), intent: limit("100") },
    ],
    ["PRICE_TOO_FAR", { instrument: { ...SPX, priceBand: BAND }, policy: fixed("1"), intent: limit("110.01") }],
    ["BUY 1", { instrument: { ...SPX, priceBand: BAND }, policy: fixed("1"), intent: limit("110") }],
    ["PRICE_TOO_FAR", { instrument: { ...SPX, priceBand: BAND }, policy: fixed("1"), intent: limit("49.99") }],
    ["PRICE_TOO_FAR", { instrument: { ...SPX, priceBand: BAND }, book: holding("1"), intent: exitAt("79.99") }],
    ["SELL 1", { instrument: { ...SPX, priceBand: BAND }, book: holding("1"), intent: exitAt("200") }],
    ["BUY 1", { instrument: { ...SPX, priceBand: BAND }, policy: fixed("1") }],
    ["BUY 100", { instrument: { ...SPX, takerFee: "0" }, policy: fixed("100") }],
    // A rebate comes after the cost: nothing is paid with it.
    ["BUY 100", { instrument: { ...SPX, takerFee: "-0.001" }, policy: fixed("100") }],
    ["INSUFFICIENT_BALANCE", { instrument: { ...SPX, takerFee: "-0.001" }, policy: fixed("100.0001") }],
    ["INSUFFICIENT_BALANCE", { policy: fixed("100") }],
    ["MAX_ORDER_NOTIONAL", { policy: { ...fixed("1"), maxOrderNotional: "99.99" } }],
    ["MAX_POSITION_NOTIONAL", { book: holding("10"), policy: { ...fixed("1"), maxPositionNotional: "1099.99" } }],
    ["BUY 1", { book: holding("10"), policy: { ...fixed("1"), maxPositionNotional: "1100", maxOrderNotional: "100" } }],
    ["BUY 0.1", { policy: fixed("0.1") }],
  ] satisfies [string, Partial<DecisionInput>][])("%s", (expected, change) => {
    expect(verdict(change)).toBe(expected);
  });
});
