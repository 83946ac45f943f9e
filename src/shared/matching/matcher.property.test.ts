import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decimal, decimal, plain } from "#shared/domain/decimal.ts";
import type { OrderStyle, Side } from "#shared/domain/signal.ts";
import { createMatcher } from "./matcher.ts";
import { spx as instrument } from "./spx.fixture.ts";

const market: OrderStyle = { type: "MARKET" };
const limit = (price: string): OrderStyle => ({ type: "LIMIT", price, timeInForce: "GTC" });
const side = fc.constantFrom<Side>("BUY", "SELL");
const cents = fc.integer({ min: 1, max: 200 }).map((n) => plain(new Decimal(n).div(100)));
const size = fc.integer({ min: 1, max: 10_000_000 }).map((n) => new Decimal(n).div(10_000));

describe("matcher, whatever is submitted", () => {
  test("no fill is worse than its limit, none happens twice, quote is exact, the fee never above its share", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ side, price: fc.option(cents), size, after: fc.nat(9) }), { maxLength: 12 }),
        fc.array(cents, { minLength: 10, maxLength: 10 }),
        (orders, prices) => {
          const matcher = createMatcher({ instrument });
          const seen = new Set<string>();
          prices.forEach((price, step) => {
            for (const fill of matcher.show(decimal(price), step)) {
              const from = orders[Number(fill.orderId)];
              expect(seen.has(fill.orderId)).toBe(false);
              seen.add(fill.orderId);
              expect(fill.size.eq(from?.size ?? 0)).toBe(true);
              expect(fill.quote.eq(fill.size.times(fill.price))).toBe(true);
              const share = fill.maker ? instrument.makerFee : instrument.takerFee;
              const exact = (fill.side === "BUY" ? fill.size : fill.quote).times(share);
              expect(fill.fee.lte(exact) && exact.minus(fill.fee).lt("0.00000001")).toBe(true);
              if (from?.price != null)
                expect(fill.side === "BUY" ? fill.price.lte(from.price) : fill.price.gte(from.price)).toBe(true);
            }
            orders.forEach((one, index) => {
              if (one.after !== step) return;
              const style = one.price === null ? market : limit(one.price);
              matcher.submit({ orderId: String(index), side: one.side, style, size: one.size });
            });
          });
          expect(seen.size + matcher.restingCount).toBe(orders.length);
        },
      ),
    );
  });

  test("a matcher restored from a snapshot goes on as the first one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ side, price: cents, size }), { maxLength: 8 }),
        fc.array(cents, { minLength: 1, maxLength: 8 }),
        cents,
        (orders, prices, first) => {
          const one = createMatcher({ instrument });
          const other = createMatcher({ instrument });
          orders.forEach((o, i) => one.submit({ ...o, orderId: String(i), style: limit(o.price) }));
          one.show(decimal(first), 0);
          other.restore(JSON.parse(JSON.stringify(one.snapshot())));
          const run = (matcher: typeof one) =>
            JSON.stringify(prices.map((price, at) => matcher.show(decimal(price), at)));
          expect(run(other)).toBe(run(one));
        },
      ),
    );
  });
});
