import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { candleOf } from "#services/strategy-executor/executor.fixture.ts";
import { plain, ZERO } from "#shared/domain/decimal.ts";
import type { OrderState } from "#shared/domain/order.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createCandleInbox } from "./candle-inbox.ts";
import { afterDenial, afterFill, afterOrder, type Holding, isBusy } from "./holding.ts";
import { signalId } from "./signal.ts";
import { modeOf } from "./strategy-feed.ts";

const order = (state: OrderState, from = "s1", of: { number?: number; signalOrders?: number } = {}) => {
  return { signalId: from, state, number: 1, signalOrders: 1, ...of };
};
/** A session before its first signal. */
const NOTHING_HELD: Holding = { size: ZERO, pendingSignal: null, endedOrders: [] };
const waiting = { ...NOTHING_HELD, pendingSignal: "s1" };

describe("a holding", () => {
  const cases: [OrderState, boolean][] = [
    ["INITIALIZED", true],
    ["SUBMITTED", true],
    ["UNKNOWN", true],
    ["PARTIALLY_FILLED", true],
    ["PENDING_CANCEL", true],
    ["FILLED", false],
    ["DENIED", false],
    ["CANCELED", false],
    ["EXPIRED", false],
    ["REJECTED", false],
  ];
  test.each(cases)("with its order %s is busy: %p", (state, busy) => {
    expect(isBusy(waiting)).toBe(true);
    expect(isBusy(afterOrder(waiting, order(state)))).toBe(busy);
  });

  test("waits for its own order alone, an event twice changing nothing", () => {
    const ended = afterOrder(afterOrder(waiting, order("FILLED", "s0")), order("FILLED", "s0"));
    expect(ended.pendingSignal).toBe("s1");
    expect(afterOrder(afterOrder(ended, order("FILLED")), order("FILLED")).pendingSignal).toBeNull();
  });

  test("waits for all orders of its signal, each counting once though a late fill ends it again", () => {
    const of = (state: OrderState, number: number) => order(state, "s1", { number, signalOrders: 3 });
    const two = [of("EXPIRED", 2), of("FILLED", 2), of("FILLED", 1), of("FILLED", 1)].reduce(afterOrder, waiting);
    expect([two.pendingSignal, two.endedOrders]).toEqual(["s1", [2, 1]]);
    const done = afterOrder(two, of("REJECTED", 3));
    expect([done.pendingSignal, done.endedOrders]).toEqual([null, []]);
  });

  test("a denial ends the wait for its own signal alone", () => {
    expect(isBusy(afterDenial(waiting, "s1"))).toBe(false);
    expect(isBusy(afterDenial(waiting, "s0"))).toBe(true);
  });

  test("a fill counts exactly, its base fee taken", () => {
    const fill = {
      tradeId: "1",
      orderId: "o1",
      sessionId: "a",
      accountId: "demo",
      instrumentId: spx.id,
      side: "BUY" as const,
      price: "1455.219971",
      size: "6.5381",
      fee: "0.0065381",
      feeAsset: "SPX",
      maker: false,
      atMs: 1,
    };
    expect(plain(afterFill(NOTHING_HELD, fill, spx).size)).toBe("6.5315619");
  });
});

test("a signal's id is a UUID that session, run and number alone decide", () => {
  const id = signalId("a", 1, 1);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(signalId("a", 1, 1)).toBe(id);
  expect(new Set([id, signalId("b", 1, 1), signalId("a", 2, 1), signalId("a", 1, 2)]).size).toBe(4);
});

test.each([
  ["RUNNING", "all"],
  ["PAUSED", "exits"],
  ["STARTING", "none"],
  ["STOPPING", "none"],
] as const)("%s lets through: %s", (state, mode) => {
  expect(modeOf(state)).toBe(mode);
});

describe("the inbox of candles", () => {
  test("gives each number once and in order, whatever comes in", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 })), fc.integer({ min: 1, max: 5 }), (numbers, limit) => {
        const inbox = createCandleInbox(100);
        const taken: number[] = [];
        let cursor = 0;
        let newest = 0;
        for (const n of numbers) {
          inbox.offer(candleOf(n, "1"), cursor);
          for (const candle of inbox.next(cursor, limit)) taken.push(candle.n);
          cursor = taken.length;
          inbox.drop(cursor);
          newest = Math.max(newest, n);
          if (inbox.hasHole(cursor) && newest <= cursor) throw new Error("a hole without a candle after it");
        }
        if (taken.some((n, index) => n !== index + 1)) throw new Error(`not in order: ${taken.join(" ")}`);
      }),
    );
  });

  test("keeps the newest forming candle, and gives it when it is next", () => {
    const inbox = createCandleInbox(10);
    inbox.offer(candleOf(2, "1", { closed: false }), 0);
    inbox.offer(candleOf(2, "2", { closed: false }), 0);
    expect(inbox.takeForming(0)).toBeNull();
    expect(inbox.takeForming(1)?.close).toBe("2");
    expect(inbox.takeForming(1)).toBeNull();
  });

  test("drops what is beyond its capacity, never the next one", () => {
    const inbox = createCandleInbox(2);
    for (const n of [9, 8, 7, 1]) inbox.offer(candleOf(n, "1"), 0);
    expect(inbox.next(0, 10).map(({ n }) => n)).toEqual([1]);
    expect(inbox.hasHole(1)).toBe(true);
  });
});
