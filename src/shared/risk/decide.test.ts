import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyFill, type Book, createBook } from "#shared/accounting/book.ts";
import { Decimal, decimal, isMultipleOf, plain, ZERO } from "#shared/domain/decimal.ts";
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
const percent = (share: string): RiskPolicy => ({ ...POLICY, sizing: { method: "percent-of-equity", percent: share } });
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

  test("percent 100 with dust on the account is sized down to what the cash pays with the fee", () => {
    const policy = percent("100");
    const book: Book = { cash: decimal("10000"), sizes: new Map([[SPX.id, decimal("0.00005")]]) };
    const decision = decide(input({ book, policy }));
    // 99.9001 * 100 * 1.001 would be 10000.00001... of 10000.005 equity.
    expect(decision.kind === "approved" && plain(decision.size)).toBe("99.9");
    expect(decision.kind === "approved" && plain(decision.reserve.quote)).toBe("9999.99");
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
          const next = costOf(decision.size.plus("0.0001"));
          expect(decision.reserve.quote.lte(available)).toBe(true);
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
