import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { instrumentOf } from "#services/paper-exchange/market/instrument.ts";
import { isRefusal } from "#services/paper-exchange/protocol/refusal.ts";
import { marketSchema } from "#services/paper-exchange/settings.ts";
import { marketSettings } from "#services/paper-exchange/venue.fixture.ts";
import { decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import { createLedger } from "./ledger.ts";
import type { Changes, LedgerState } from "./ledger-types.ts";
import type { Placement } from "./placement.ts";

const instrument = instrumentOf(marketSchema.parse(marketSettings("bars.csv")));
const BEGIN = { USD: "10000", SPX: "5" };

function emptyState(): LedgerState {
  return {
    cursor: { step: 0, bar: 0, points: 0, lastTradeId: 0, lastPrice: null, nowMs: 0 },
    orders: [],
    fills: [],
    balances: [],
    entryCount: 0,
    eventCount: 0,
  };
}

function begin(balances: Record<string, string> = BEGIN) {
  return createLedger(() => instrument, emptyState(), { deposits: { balances, atMs: 0 } });
}

const placement = (more: Partial<Placement> = {}): Placement => ({
  clientOrderId: null,
  side: "BUY",
  type: "MARKET",
  timeInForce: "GTC",
  price: "0",
  size: "1",
  responseType: "FULL",
  ...more,
});
const limit = (side: "BUY" | "SELL", price: string, more: Partial<Placement> = {}) =>
  placement({ side, type: "LIMIT", price, ...more });

describe("orders at the venue", () => {
  test.each([
    ["too small a notional", placement({ size: "0.09" }), -1013],
    ["a size between steps", placement({ size: "1.00001" }), -1013],
    ["a size of zero", placement({ size: "0" }), -1013],
    ["a price between steps", limit("BUY", "100.0000001"), -1013],
    ["a buy above what is free at the last price", placement({ size: "100.0001" }), -2010],
    ["a limit buy above what is free", limit("BUY", "50", { size: "200.0001" }), -2010],
    ["a sell above what is free", placement({ side: "SELL", size: "5.0001" }), -2010],
    ["a post-only order that would take", limit("BUY", "100", { type: "LIMIT_MAKER" }), -2010],
  ])("refuses %s", (_name, order, code) => {
    const answer = begin().place(order, { nowMs: 1, lastPrice: "100" });
    expect(isRefusal(answer) ? answer.code : "placed").toBe(code);
  });

  test("a client order id is refused while an order with it is open, and taken again afterwards", () => {
    const ledger = begin();
    const order = placement({ clientOrderId: "a-1" });
    const at = { nowMs: 1, lastPrice: "100" };
    expect(isRefusal(ledger.place(order, at))).toBe(false);
    expect(ledger.place(order, at)).toMatchObject({ code: -2010, msg: "Duplicate order sent." });
    ledger.show("100", 2);
    expect(isRefusal(ledger.place(order, at))).toBe(false);
    expect(ledger.orderByClientId("a-1")?.id).toBe(2);
  });

  test("a market buy that its price makes too dear expires whole, and nothing is bought", () => {
    const ledger = begin();
    ledger.place(placement({ size: "100" }), { nowMs: 1, lastPrice: "100" });
    const events = ledger.show("100.000001", 2);
    expect(ledger.orders[0]).toMatchObject({ status: "EXPIRED", filled: "0", reason: "INSUFFICIENT_BALANCE" });
    expect(JSON.parse(events[0]?.payload ?? "{}")).toMatchObject({ x: "EXPIRED", X: "EXPIRED", z: "0" });
    expect(ledger.balances).toEqual([
      { asset: "USD", free: "10000", locked: "0" },
      { asset: "SPX", free: "5", locked: "0" },
    ]);
  });

  test("a fill that takes all there is goes through", () => {
    const ledger = begin();
    ledger.place(placement({ size: "100" }), { nowMs: 1, lastPrice: "99" });
    ledger.show("100", 2);
    expect(ledger.fills[0]).toMatchObject({ quote: "10000", fee: "0.1", feeAsset: "SPX" });
    expect(ledger.balances).toContainEqual({ asset: "SPX", free: "104.9", locked: "0" });
  });

  test("an IOC order that is not marketable expires and gives back what was locked", () => {
    const ledger = begin();
    ledger.place(limit("BUY", "50", { timeInForce: "IOC" }), { nowMs: 1, lastPrice: "100" });
    expect(ledger.balances[0]).toEqual({ asset: "USD", free: "9950", locked: "50" });
    ledger.show("51", 2);
    expect(ledger.orders[0]).toMatchObject({ status: "EXPIRED", reason: null });
    expect(ledger.balances[0]).toEqual({ asset: "USD", free: "10000", locked: "0" });
  });
});

const amount = (max: number, places: number) =>
  fc.integer({ min: 1, max }).map((n) => plain(decimal(String(n)).div(10 ** places)));
const action = fc.oneof(
  fc.record({
    do: fc.constant("place" as const),
    side: fc.constantFrom("BUY" as const, "SELL" as const),
    type: fc.constantFrom("MARKET" as const, "LIMIT" as const, "LIMIT_MAKER" as const),
    timeInForce: fc.constantFrom("GTC" as const, "IOC" as const, "FOK" as const),
    price: amount(200_000_000, 6),
    size: amount(400_000, 4),
  }),
  fc.record({ do: fc.constant("cancel" as const), which: fc.nat(20) }),
  fc.record({ do: fc.constant("show" as const), price: amount(200_000_000, 6) }),
);

describe("the venue's ledger, whatever is done", () => {
  test("entries sum up to balances, locks to open orders, nothing falls below zero, a restored one goes on the same", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const state = emptyState();
        let ledger = createLedger(() => instrument, state, { deposits: { balances: BEGIN, atMs: 0 } });
        const written: Changes[] = [ledger.take()];
        let lastPrice: string | null = null;
        for (const one of actions) {
          if (one.do === "place") {
            const timeInForce = one.type === "LIMIT" ? one.timeInForce : "GTC";
            const price = one.type === "MARKET" ? "0" : one.price;
            ledger.place(placement({ ...one, timeInForce, price }), { nowMs: 1, lastPrice });
          } else if (one.do === "show") {
            lastPrice = one.price;
            ledger.show(one.price, 1);
          } else {
            const order = [...ledger.open.values()][one.which];
            if (order !== undefined) ledger.cancel(order, "c", 1);
          }
          written.push(ledger.take());
          const entryCount = written.flatMap(({ entries }) => entries).length;
          const eventCount = written.flatMap(({ events }) => events).length;
          ledger = createLedger(() => instrument, structuredClone({ ...state, entryCount, eventCount }));
          Object.assign(state, { orders: ledger.orders, fills: ledger.fills, balances: ledger.balances });
        }
        for (const { asset, free, locked } of ledger.balances) {
          const entries = written.flatMap((changes) => changes.entries).filter((entry) => entry.asset === asset);
          const sum = entries.reduce((total, entry) => total.plus(entry.delta), ZERO);
          expect(plain(sum)).toBe(plain(decimal(free).plus(locked)));
          expect(decimal(free).gte(0)).toBe(true);
          const side = asset === "USD" ? "BUY" : "SELL";
          const locks = [...ledger.open.values()].filter((order) => order.side === side);
          expect(plain(locks.reduce((total, order) => total.plus(order.locked), ZERO))).toBe(locked);
        }
        const numbers = written.flatMap((changes) => changes.events.map(({ number }) => number));
        expect(numbers).toEqual(numbers.map((_, index) => index + 1));
        for (const fill of ledger.fills) {
          expect(fill.quote).toBe(plain(decimal(fill.size).times(fill.price)));
          expect(ledger.order(fill.orderId)).toMatchObject({ status: "FILLED", filled: fill.size, quote: fill.quote });
        }
      }),
    );
  });
});
