import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { z } from "zod";
import { isFlat } from "#shared/accounting/flat.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { spx as instrument } from "#shared/matching/spx.fixture.ts";
import { createStrategyRuntime, type StrategyRuntime, type TradingMode, type Wish } from "./runtime.ts";
import { defineStrategy, type StrategyBar } from "./strategy.ts";

/** Wishes what each bar's volume says: 1 long, -1 flat, 0 nothing; and counts its bars. */
const scripted = defineStrategy({
  name: "scripted",
  version: "1",
  description: "for tests",
  params: z.strictObject({}),
  warmupBars: () => 0,
  forming: false,
  create() {
    let bars = 0;
    return {
      onBar(bar, context) {
        bars += 1;
        if (bar.volume > 0) context.wantLong();
        if (bar.volume < 0) context.wantFlat();
      },
      snapshot: () => bars,
      restore(snapshot) {
        bars = Number(snapshot);
      },
    };
  },
});

function bar(close: number, wish: number): StrategyBar {
  return {
    n: 1,
    openAtMs: 0,
    closeAtMs: 60_000,
    open: close,
    high: close,
    low: close,
    close,
    volume: wish,
    closed: true,
  };
}

function runtime(): StrategyRuntime {
  return createStrategyRuntime({ definition: scripted, params: {}, instrument });
}

const SIGN: Record<string, number> = { long: 1, flat: -1, none: 0 };

describe("a wish becomes an intent", () => {
  const cases: [wish: string, size: string, busy: boolean, mode: TradingMode, expected: string | null][] = [
    ["long", "0", false, "all", "enter"],
    ["long", "1", false, "all", null],
    ["long", "0", true, "all", null],
    ["long", "0", false, "exits", null],
    ["long", "0", false, "none", null],
    ["flat", "0", false, "all", null],
    ["flat", "1", false, "all", "exit"],
    ["flat", "1", true, "all", null],
    ["flat", "1", false, "exits", "exit"],
    ["flat", "1", false, "none", null],
    ["none", "0", false, "all", null],
    ["none", "1", false, "all", null],
    // Dust: below the minimum size, and below the minimum notional at a close of 100.
    ["long", "0.00009", false, "all", "enter"],
    ["flat", "0.00009", false, "all", null],
    ["flat", "0.0999", false, "all", null],
    ["flat", "0.1", false, "all", "exit"],
  ];
  test.each(cases)("%s, holding %s, busy %p, mode %s: %p", (wish, size, busy, mode, expected) => {
    const strategy = runtime();
    strategy.setPosition(decimal(size));
    strategy.setBusy(busy);
    strategy.feed(bar(100, SIGN[wish] as number));
    expect(strategy.intent(mode)?.kind ?? null).toBe(expected as "enter" | "exit" | null);
  });

  test("and stands until the other wish: an entry that was held back comes at the next bar", () => {
    const strategy = runtime();
    strategy.feed(bar(100, 1));
    expect(strategy.intent("exits")).toBeNull();
    strategy.feed(bar(101, 0));
    expect(strategy.intent("all")).toEqual({ kind: "enter", side: "BUY", style: { type: "MARKET" } });
  });
});

test("flat is exact: the float path never answers otherwise than the decimals", () => {
  const size = fc.integer({ min: 0, max: 10_000_000 }).map((units) => decimal(`${units}e-8`));
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 1_000_000_000 }), (held, ticks) => {
      const close = Number(`${ticks}e-4`);
      const strategy = runtime();
      strategy.setPosition(held);
      strategy.feed(bar(close, -1));
      const exact = isFlat({ size: held, mark: decimal(String(close)), instrument });
      if ((strategy.intent("all") === null) !== exact) throw new Error(`${held.toFixed()} at ${close}`);
    }),
  );
});

test.each([
  ["0.1", 100, false],
  ["0.3", 33.333333, true],
  ["0.7", 14.285714, true],
  ["0.7", 14.285715, false],
])("at the border of the minimum notional: %s at %p is flat: %p", (size, close, flat) => {
  const strategy = runtime();
  strategy.setPosition(decimal(size));
  strategy.feed(bar(close, -1));
  expect(strategy.intent("all") === null).toBe(flat);
});

test("where a float product reaches the minimum notional and the exact one does not, it is flat", () => {
  expect(6.872179 * 14551.42539215).toBe(100_000);
  expect(decimal("6.872179").times("14551.42539215").toFixed()).toBe("99999.99999999999485");
  const dear = { ...instrument, minNotional: "100000" };
  const strategy = createStrategyRuntime({ definition: scripted, params: {}, instrument: dear });
  strategy.setPosition(decimal("14551.42539215"));
  strategy.feed(bar(6.872179, -1));
  expect(strategy.intent("all")).toBeNull();
});

test("a restored runtime has the wish and what the strategy remembered", () => {
  const first = runtime();
  first.feed(bar(100, 1));
  const text = JSON.stringify(first.snapshot());
  expect(JSON.parse(text)).toMatchObject({ wish: "long", strategy: 1 });
  const second = runtime();
  second.restore(JSON.parse(text));
  expect(second.wish satisfies Wish).toBe("long");
  expect(second.snapshot()).toEqual(first.snapshot());
});
