import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyFill, createBook } from "#shared/accounting/book.ts";
import { type Decimal, decimal, isMultipleOf, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { Intent } from "#shared/domain/signal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type DecisionInput, decide } from "#shared/risk/decide.ts";

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

function verdict(change: Partial<DecisionInput>): string {
  const decision = decide(input(change));
  return decision.kind === "denied" ? decision.code : `${decision.side} ${plain(decision.size)}`;
}

const limit = (price: string): Intent => ({
  kind: "enter",
  side: "BUY",
  style: { type: "LIMIT", price, timeInForce: "GTC" },
});
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
        expect(isMultipleOf(decision.size, decimal("0.0001"))).toBe(true);
        expect(cost(decision.size).lte(share)).toBe(true);
        expect(cost(decision.size.plus("0.0001")).gt(share)).toBe(true);
        expect(plain(decision.reserve.quote)).toBe(plain(cost(decision.size)));
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
    expect(verdict({ reserved })).toBe("INSUFFICIENT_BALANCE");
  });

  test("a limit order above the mark is measured at its limit", () => {
    const decision = decide(input({ intent: limit("110"), policy: fixed("90") }));
    expect(decision.kind === "approved" && plain(decision.reserve.quote)).toBe("9909.9");
  });

  test("no sequence of approvals reserves more than the cash", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 20 }), (sizes) => {
        let quote = ZERO;
        for (const steps of sizes) {
          const policy = fixed(plain(decimal(String(steps)).times("0.0001")));
          const decision = decide(input({ policy, reserved: { quote, base: ZERO } }));
          if (decision.kind === "approved") quote = quote.plus(decision.reserve.quote);
        }
        expect(quote.lte("10000")).toBe(true);
      }),
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
    ["INSUFFICIENT_BALANCE", { policy: fixed("100") }],
    ["MAX_ORDER_NOTIONAL", { policy: { ...fixed("1"), maxOrderNotional: "99.99" } }],
    ["MAX_POSITION_NOTIONAL", { book: holding("10"), policy: { ...fixed("1"), maxPositionNotional: "1099.99" } }],
    ["BUY 1", { book: holding("10"), policy: { ...fixed("1"), maxPositionNotional: "1100", maxOrderNotional: "100" } }],
    ["BUY 0.1", { policy: fixed("0.1") }],
  ] satisfies [string, Partial<DecisionInput>][])("%s", (expected, change) => {
    expect(verdict(change)).toBe(expected);
  });
});
