import { describe, expect, test } from "bun:test";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { OrderStyle, Side } from "#shared/domain/signal.ts";
import { barPath } from "./bar-path.ts";
import { createMatcher } from "./matcher.ts";
import { canSettle } from "./settlement.ts";
import { spx as instrument } from "./spx.fixture.ts";

const market: OrderStyle = { type: "MARKET" };
const limit = (price: string, timeInForce: "GTC" | "IOC" | "FOK" = "GTC"): OrderStyle => ({
  type: "LIMIT",
  price,
  timeInForce,
});
const order = (orderId: string, side: Side, style: OrderStyle, size = "1") => ({
  orderId,
  side,
  style,
  size: decimal(size),
});

describe("matcher", () => {
  test("a market order fills whole at the next price shown, as taker, for exactly size times price", () => {
    const matcher = createMatcher({ instrument });
    matcher.submit(order("1", "BUY", market, "6.5381"));
    const [fill] = matcher.show(decimal("1455.219971"), 7);
    expect(plain(fill?.quote ?? decimal("0"))).toBe("9514.3736923951");
    expect(plain(fill?.fee ?? decimal("0"))).toBe("0.0065381");
    expect(fill).toMatchObject({ feeAsset: "SPX", maker: false, atMs: 7, closesOrder: true });
    expect(matcher.restingCount).toBe(0);
    expect(matcher.show(decimal("1"), 8)).toEqual([]);
  });

  test.each([
    ["BUY", "10", "9.5", "9.5", false],
    ["BUY", "10", "10", "10", false],
    ["SELL", "10", "10.5", "10.5", false],
    ["SELL", "10", "10", "10", false],
  ] as const)(
    "a %s limit at %s that is marketable at its first price %s fills there, as taker",
    (of, at, shown, price) => {
      const matcher = createMatcher({ instrument });
      matcher.submit(order("1", of, limit(at)));
      const [fill] = matcher.show(decimal(shown), 1);
      expect({ price: plain(fill?.price ?? decimal("0")), maker: fill?.maker }).toEqual({ price, maker: false });
    },
  );

  test("a limit that rests fills later at its limit, as maker", () => {
    const matcher = createMatcher({ instrument });
    matcher.submit(order("1", "BUY", limit("10")));
    expect(matcher.show(decimal("10.01"), 1)).toEqual([]);
    const [fill] = matcher.show(decimal("9"), 2);
    expect({
      price: plain(fill?.price ?? decimal("0")),
      maker: fill?.maker,
      fee: plain(fill?.fee ?? decimal("0")),
    }).toEqual({ price: "10", maker: true, fee: "0.0005" });
  });

  test.each(["IOC", "FOK"] as const)("an %s order that is not marketable at its first price expires", (timeInForce) => {
    const matcher = createMatcher({ instrument });
    matcher.submit(order("1", "SELL", limit("10", timeInForce)));
    expect(matcher.show(decimal("9"), 1)).toEqual([]);
    expect(matcher.expired).toEqual(["1"]);
    expect(matcher.show(decimal("11"), 2)).toEqual([]);
    expect(matcher.expired).toEqual([]);
  });

  test("an order that was canceled never fills, and an id rests once", () => {
    const matcher = createMatcher({ instrument });
    matcher.submit(order("1", "BUY", market));
    expect(() => matcher.submit(order("1", "BUY", market))).toThrow(RangeError);
    expect(matcher.cancel("1")).toBe(true);
    expect(matcher.cancel("1")).toBe(false);
    expect(matcher.show(decimal("9"), 1)).toEqual([]);
  });

  test("a post-only order that rests from the start fills at its limit, as maker", () => {
    const matcher = createMatcher({ instrument });
    matcher.submit({ ...order("1", "BUY", limit("10")), resting: true });
    expect(matcher.show(decimal("9"), 1)[0]).toMatchObject({ maker: true });
  });
});

describe("canSettle", () => {
  test("a buy needs its whole quote amount, a sell its whole size", () => {
    const matcher = createMatcher({ instrument });
    matcher.submit(order("1", "BUY", market, "2"));
    matcher.submit(order("2", "SELL", market, "2"));
    const [buy, sell] = matcher.show(decimal("10"), 1);
    if (buy === undefined || sell === undefined) throw new Error("two fills expected");
    const with_ = (base: string, quote: string) => ({ base: decimal(base), quote: decimal(quote) });
    expect([canSettle(buy, with_("0", "20")), canSettle(buy, with_("9", "19.99"))]).toEqual([true, false]);
    expect([canSettle(sell, with_("2", "0")), canSettle(sell, with_("1.9999", "99"))]).toEqual([true, false]);
  });
});

describe("barPath", () => {
  const bar = { open: "10", high: "12", low: "9", openAtMs: 1, closeAtMs: 5 };
  test.each([
    ["11", ["10", "9", "12", "11"]],
    ["10", ["10", "9", "12", "10"]],
    ["9.5", ["10", "12", "9", "9.5"]],
  ])("closing at %s it shows %p", (close, prices) => {
    const path = barPath({ ...bar, close });
    expect(path.map((point) => point.price)).toEqual(prices);
    expect(path.map((point) => point.atMs)).toEqual([1, 1, 1, 5]);
  });
});
