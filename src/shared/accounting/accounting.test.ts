import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { averagePriceOf } from "#shared/accounting/average.ts";
import {
  applyFill,
  type Book,
  type BookFill,
  bookFromJson,
  bookToJson,
  createBook,
  heldOf,
} from "#shared/accounting/book.ts";
import { feeOf } from "#shared/accounting/fees.ts";
import { closableSize, isFlat } from "#shared/accounting/flat.ts";
import { applyToPosition, NO_POSITION, positionFromJson, positionToJson } from "#shared/accounting/position.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import { spx as SPX } from "#shared/matching/spx.fixture.ts";

const price = fc.integer({ min: 1, max: 5_000_000_000 }).map((ticks) => decimal(String(ticks)).times("0.000001"));
const size = fc.integer({ min: 1, max: 1_000_000 }).map((steps) => decimal(String(steps)).times("0.0001"));
const fill: fc.Arbitrary<BookFill> = fc
  .record({ side: fc.constantFrom("BUY" as const, "SELL" as const), price, size, maker: fc.boolean() })
  .map(({ maker, ...rest }) => ({ ...rest, ...feeOf({ ...rest, maker, instrument: SPX }) }));

function book(fills: readonly BookFill[]): Book {
  return fills.reduce((state, next) => applyFill(state, next, SPX), createBook(decimal("10000")));
}

function position(fills: readonly BookFill[]) {
  return fills.reduce((state, next) => applyToPosition(state, next, SPX), NO_POSITION);
}

function buy(at: string, amount: string, fee = "0"): BookFill {
  return { side: "BUY", price: decimal(at), size: decimal(amount), fee: decimal(fee), feeAsset: "SPX" };
}

describe("feeOf", () => {
  test.each([
    ["BUY", "1469.25", "6.4591", false, "0.0064591", "SPX"],
    ["SELL", "1394.459961", "6.4526", false, "8.99789234", "USD"],
    ["SELL", "1394.459961", "6.4526", true, "4.49894617", "USD"],
  ] as const)("a %s at %s of %s (maker %p) pays %s %s", (side, at, amount, maker, fee, feeAsset) => {
    const paid = feeOf({ side, price: decimal(at), size: decimal(amount), instrument: SPX, maker });
    expect({ fee: plain(paid.fee), feeAsset: paid.feeAsset }).toEqual({ fee, feeAsset });
  });

  test.each([
    // 6.4591 * 0.0000333 is 0.00021508803; 6.4526 at 1394.459961 times that is 0.2996298153...
    ["BUY", "1469.25", "6.4591", "-0.00021508"],
    ["SELL", "1394.459961", "6.4526", "-0.29962981"],
  ] as const)("a rebate of a %s at %s of %s is rounded toward zero, as Binance does: %s", (side, at, amount, fee) => {
    const instrument = { ...SPX, makerFee: "-0.0000333" };
    const paid = feeOf({ side, price: decimal(at), size: decimal(amount), instrument, maker: true });
    expect(plain(paid.fee)).toBe(fee);
  });

  test("is rounded down, by less than one unit of its last digit", () => {
    fc.assert(
      fc.property(price, size, (at, amount) => {
        const { fee } = feeOf({ side: "SELL", price: at, size: amount, instrument: SPX, maker: false });
        const exact = at.times(amount).times("0.001");
        expect(fee.lte(exact)).toBe(true);
        expect(exact.minus(fee).lt("0.00000001")).toBe(true);
      }),
    );
  });
});

describe("a book and a position", () => {
  test("cash and size are exact sums over all fills", () => {
    fc.assert(
      fc.property(fc.array(fill, { maxLength: 30 }), (fills) => {
        const state = book(fills);
        let cash = decimal("10000");
        let held: Decimal = ZERO;
        for (const one of fills) {
          const sign = one.side === "BUY" ? 1 : -1;
          cash = cash.minus(one.price.times(one.size).times(sign)).minus(one.feeAsset === "USD" ? one.fee : 0);
          held = held.plus(one.size.times(sign)).minus(one.feeAsset === "SPX" ? one.fee : 0);
        }
        expect(plain(state.cash)).toBe(plain(cash));
        expect(plain(heldOf(state, SPX.id))).toBe(plain(held));
        expect(plain(position(fills).size)).toBe(plain(held));
      }),
    );
  });

  test("equity is capital plus profit less fees, whatever the way there", () => {
    fc.assert(
      fc.property(fc.array(fill, { minLength: 1, maxLength: 30 }), price, (fills, mark) => {
        const free = fills.map((one) => ({ ...one, fee: ZERO }));
        const state = book(free);
        const { size: held, averageEntry, realizedProfit } = position(free);
        const open = averageEntry === null ? ZERO : mark.minus(averageEntry).times(held);
        const profit = state.cash.plus(heldOf(state, SPX.id).times(mark)).minus("10000");
        expect(profit.minus(realizedProfit).minus(open).abs().lt("0.0000000001")).toBe(true);
      }),
    );
  });

  test("an average entry exists exactly while there is a position, between the prices paid", () => {
    fc.assert(
      fc.property(fc.array(fill, { maxLength: 30 }), (fills) => {
        const { size: held, averageEntry } = position(fills);
        expect(averageEntry === null).toBe(held.isZero());
        if (averageEntry === null) return;
        expect(fills.some((one) => one.price.lte(averageEntry.plus("1e-17")))).toBe(true);
        expect(fills.some((one) => one.price.gte(averageEntry.minus("1e-17")))).toBe(true);
      }),
    );
  });

  test("a fee in the base asset leaves the position, not its average", () => {
    const held = position([buy("100", "2", "0.002")]);
    expect([plain(held.size), held.averageEntry?.toFixed()]).toEqual(["1.998", "100"]);
  });

  test("a fill through zero realises the whole old position and enters at its own price", () => {
    const sell: BookFill = { ...buy("120", "5"), side: "SELL", feeAsset: "USD" };
    const held = position([buy("100", "2"), sell]);
    expect([plain(held.size), held.averageEntry?.toFixed(), plain(held.realizedProfit)]).toEqual(["-3", "120", "40"]);
  });

  test("a rebate is credited to the cash or to the holding, exactly, and counts as a fee below zero", () => {
    const bought: BookFill = { ...buy("100", "2", "-0.002") };
    const sold: BookFill = { ...buy("110", "1", "-0.11"), side: "SELL", feeAsset: "USD" };
    expect(plain(book([bought, sold]).cash)).toBe("9910.11");
    expect([plain(heldOf(book([bought, sold]), SPX.id)), plain(position([bought, sold]).size)]).toEqual([
      "1.002",
      "1.002",
    ]);
    const fees = [...position([bought, sold]).fees].map(([asset, fee]) => [asset, plain(fee)]);
    expect(fees).toEqual([
      ["SPX", "-0.002"],
      ["USD", "-0.11"],
    ]);
  });

  test("a fee in a third asset is only counted", () => {
    const fills = [{ ...buy("100", "1", "0.3"), feeAsset: "BNB" }];
    expect([plain(book(fills).cash), plain(position(fills).size)]).toEqual(["9900", "1"]);
    expect(position(fills).fees.get("BNB")?.toFixed()).toBe("0.3");
  });

  test("a book and a position survive JSON", () => {
    fc.assert(
      fc.property(fc.array(fill, { maxLength: 10 }), (fills) => {
        const json = bookToJson(book(fills));
        expect(bookToJson(bookFromJson(JSON.parse(JSON.stringify(json))))).toEqual(json);
        const stored = positionToJson(position(fills));
        expect(positionToJson(positionFromJson(JSON.parse(JSON.stringify(stored))))).toEqual(stored);
      }),
    );
  });
});

describe("averagePriceOf", () => {
  test("gives the price of a single fill back as it was", () => {
    fc.assert(fc.property(price, size, (at, amount) => plain(averagePriceOf(at.times(amount), amount)) === plain(at)));
  });
});

describe("isFlat", () => {
  test.each([
    ["0", "100", true],
    ["0.00009", "1000000", true],
    ["0.0999", "100", true],
    ["0.1", "100", false],
    ["-0.1", "100", false],
  ])("%s at %s: %p", (held, mark, flat) => {
    expect(isFlat({ size: decimal(held), mark: decimal(mark), instrument: SPX })).toBe(flat);
  });
});

test("what is flat is measured by the rules of market orders, which close positions", () => {
  const flat = (amount: string, more: Partial<typeof SPX>) =>
    isFlat({ size: decimal(amount), mark: decimal("100"), instrument: { ...SPX, ...more } });
  expect(flat("0.05", { minNotionalAppliesToMarket: false })).toBe(false);
  expect(flat("1.9", { marketMinSize: "2" })).toBe(true);
  const stepped = { ...SPX, marketSizeStep: "0.5" };
  expect(closableSize({ size: decimal("1.9"), mark: decimal("100"), instrument: stepped })?.toFixed()).toBe("1.5");
});

describe("closableSize", () => {
  test.each([
    ["0", "100", null],
    ["0.0999", "100", null],
    ["2.49756", "100", "2.4975"],
    ["-2.49756", "100", "-2.4975"],
    // Not flat as it stands, but what an order could close of it would be below the least notional.
    ["0.10005", "99.99", null],
  ])("of %s at %s: %p", (held, mark, closable) => {
    const size = closableSize({ size: decimal(held), mark: decimal(mark), instrument: SPX });
    expect(size === null ? null : plain(size)).toBe(closable);
  });
});
