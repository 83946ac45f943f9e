import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { z } from "zod";
import { heldOf } from "#shared/accounting/book.ts";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { defineStrategy, type StrategyDefinition } from "#shared/strategy/strategy.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { barsOf, percentPolicy } from "./backtest.fixture.ts";
import { equityCurve, equityPoints, finalEquity } from "./result.ts";
import { type BacktestRun, runBacktest } from "./run.ts";
import { maxDrawdownOf, returnsOf, sharpeOf, sortinoOf, statisticsOf } from "./statistics.ts";
import { tradesOf } from "./trades.ts";

/** Wants long while the close is at or above its parameter. */
const threshold = defineStrategy({
  name: "threshold",
  version: "1",
  description: "for tests",
  params: z.strictObject({ at: z.number() }),
  warmupBars: () => 0,
  forming: false,
  create: ({ at }) => ({
    onBar: (bar, context) => (bar.close >= at ? context.wantLong() : context.wantFlat()),
    snapshot: () => null,
    restore: () => undefined,
  }),
});

/** Wants long while the close is below its parameter. */
const dip = defineStrategy({
  ...threshold,
  name: "dip",
  create: ({ at }) => ({
    ...threshold.create({ at }),
    onBar: (bar, context) => (bar.close < at ? context.wantLong() : context.wantFlat()),
  }),
});

const CAPITAL = decimal("10000");

interface RunOptions {
  definition?: StrategyDefinition;
  at?: number;
  percent?: string;
  instrument?: Instrument;
}

function run(closes: readonly number[], options: RunOptions = {}) {
  const { definition = threshold, instrument = spx } = options;
  const columns = columnsOf(barsOf(closes));
  const policy = percentPolicy(options.percent ?? "50");
  const params = { at: options.at ?? 100 };
  const result = runBacktest({ definition, params, instrument, columns, firstN: 1, capital: CAPITAL, policy });
  return { ...result, source: { columns, instrument, capital: CAPITAL, fills: result.fills } };
}

const states = (result: BacktestRun) => result.orders.map(({ side, state }) => `${side} ${state}`);

describe("a backtest's orders", () => {
  test("are decided at a close and fill at the next open", () => {
    const result = run([90, 100, 110, 90, 80]);
    expect(result.orders.map((order) => [order.side, order.bar, order.fill?.bar])).toEqual([
      ["BUY", 1, 2],
      ["SELL", 3, 4],
    ]);
    // The next bar opens where the deciding one closed.
    expect(result.fills.map(({ execution }) => plain(execution.price))).toEqual(["100", "90"]);
    // 50 % of 10,000 at 100 with 0.1 %: 49.9500 (49.9501 would cost 5000.00501).
    expect(plain(result.orders[0]?.size ?? ZERO)).toBe("49.95");
  });

  test("one at a time: a wish while an order is on its way makes none", () => {
    expect(states(run([100, 100, 100]))).toEqual(["BUY FILLED"]);
    expect(states(run([90, 100]))).toEqual(["BUY OPEN"]);
  });

  test("expire where the open is too dear to be paid for, and are made anew", () => {
    const bars = barsOf([100, 100, 100]);
    const gapped = bars.map((bar, index) => (index === 1 ? { ...bar, open: "200", high: "200" } : bar));
    const columns = columnsOf(gapped);
    const policy = percentPolicy("95");
    const input = { definition: threshold, params: { at: 1 }, instrument: spx, columns, firstN: 1, capital: CAPITAL };
    expect(states(runBacktest({ ...input, policy }))).toEqual(["BUY EXPIRED", "BUY FILLED"]);
  });

  test("an exit that is too large for one order is closed by several, and nothing is ordered until all have ended", () => {
    // Bought at 100 for 1,100; worth 1,427 at the close that wants it gone.
    const path = [100, 100, 130, 140, 100, 100];
    const options = { definition: dip, at: 120, percent: "11" };
    const whole = run(path, options);
    const parts = run(path, { ...options, instrument: { ...spx, maxNotional: "1200" } });
    // An entry that is too large is denied as ever, never split.
    const denied = run(path, { ...options, instrument: { ...spx, maxNotional: "500" } });
    expect([denied.orders, [...denied.denials]]).toEqual([[], [["NOTIONAL_ABOVE_MAXIMUM", 4]]]);
    expect(states(whole)).toEqual(["BUY FILLED", "SELL FILLED", "BUY FILLED"]);
    expect(states(parts)).toEqual(["BUY FILLED", "SELL FILLED", "SELL FILLED", "BUY FILLED"]);
    expect(parts.orders.slice(1, 3).map(({ size, fill }) => [plain(size), fill?.bar])).toEqual([
      ["5.489", 3],
      ["5.489", 3],
    ]);
    expect(parts.orders.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    expect(plain(parts.book.cash)).toBe(plain(whole.book.cash));
  });

  test("more parts than there may be open orders are made one after the other", () => {
    const path = [100, 100, 130, 130, 130, 130];
    const instrument = { ...spx, maxNotional: "1100", maxOpenOrders: 1 };
    const result = run(path, { definition: dip, at: 120, percent: "11", instrument });
    expect(result.orders.map(({ side, bar, size }) => `${side} ${bar} ${plain(size)}`)).toEqual([
      "BUY 0 10.989",
      "SELL 2 5.489",
      "SELL 3 5.489",
    ]);
  });

  test("are denied, and counted, below the minimum notional", () => {
    const result = run([100, 100, 100], { percent: "0.05" });
    expect(result.orders).toEqual([]);
    expect([...result.denials]).toEqual([["NOTIONAL_BELOW_MINIMUM", 3]]);
  });
});

describe("money", () => {
  const closes = fc.array(
    fc.integer({ min: 5_000, max: 20_000 }).map((cents) => cents / 100),
    { minLength: 1, maxLength: 120 },
  );

  test("is kept: final equity is capital, plus gains of the holding, less fees; never below zero", () => {
    fc.assert(
      fc.property(closes, fc.constantFrom("1", "50", "95", "99.9"), (path, percent) => {
        const { orders, fills, book, source } = run(path, { percent });
        let cash = CAPITAL;
        let held = ZERO;
        for (const { execution } of fills) {
          const { side, quote, size, fee } = execution;
          cash = side === "BUY" ? cash.minus(quote) : cash.plus(quote).minus(fee);
          held = side === "BUY" ? held.plus(size).minus(fee) : held.minus(size);
        }
        const position = heldOf(book, spx.id);
        if (!cash.eq(book.cash) || !held.eq(position)) throw new Error("the book is not the sum of its fills");
        if (cash.isNegative() || held.isNegative()) throw new Error("more was spent than there was");
        const points = [...equityPoints(source)];
        const last = points.at(-1)?.equity;
        if (!last?.eq(finalEquity(source))) throw new Error("the last point is not the final equity");
        if (!last.eq(cash.plus(held.times(String(path.at(-1)))))) throw new Error("equity is not cash and holding");
        const curve = equityCurve(source);
        points.forEach(({ equity }, index) => {
          if (Math.abs(equity.toNumber() - (curve[index] as number)) > 1e-6) throw new Error(`curve at ${index}`);
        });
        if (orders.some(({ number }, index) => number !== index + 1)) throw new Error("numbers are not dense");
      }),
    );
  });

  test("a longer history never changes what was before", () => {
    fc.assert(
      fc.property(closes, (path) => {
        const whole = run(path).fills;
        const half = run(path.slice(0, path.length >> 1)).fills;
        half.forEach((fill, index) => expect(whole[index]?.execution).toEqual(fill.execution));
      }),
    );
  });
});

describe("statistics", () => {
  test("of one winning and one losing round trip", () => {
    const { source } = run([100, 110, 120, 90, 90, 100, 95, 90, 80]);
    const statistics = statisticsOf(source, "1d");
    expect(statistics).toMatchObject({ bars: 9, trades: 2, winRate: 0 });
    expect(statistics.netProfit).toBe(plain(decimal(statistics.finalEquity).minus(CAPITAL)));
    expect(Number(statistics.return)).toBeCloseTo(Number(statistics.netProfit) / 10_000, 12);
    // Held at the closes of bars 1 to 3 and of bar 6.
    expect(statistics.exposure).toBe(4 / 9);
    expect(Object.keys(statistics.fees)).toEqual(["SPX", "USD"]);
  });

  test("a position that is open at the end, and what the trades do not show of the profit", () => {
    // Bought at the open behind 110; the last close is 150.
    const { source, fills } = run([100, 110, 120, 150]);
    const statistics = statisticsOf(source, "1d");
    const held = fills[0]?.size ?? expect.unreachable();
    expect(statistics).toMatchObject({ trades: 0, openSize: plain(held), openProfit: statistics.netProfit });
    const over = run([100, 110, 120, 90, 90, 100]);
    const { trades } = tradesOf({ fills: over.fills, instrument: spx, capital: CAPITAL, bars: 6 });
    const { netProfit, openProfit, openSize } = statisticsOf(over.source, "1d");
    expect(trades).toHaveLength(1);
    expect(openSize).toBe(plain(over.fills.at(-1)?.size ?? expect.unreachable()));
    expect(plain(decimal(openProfit).plus(trades[0]?.profit ?? expect.unreachable()))).toBe(netProfit);
  });

  test("of a win without a loss: no profit factor", () => {
    // Bought at 100; sold at an open of 130.
    const bars = barsOf([100, 110, 90, 130]);
    const columns = columnsOf(bars.map((bar, index) => (index === 3 ? { ...bar, open: "130" } : bar)));
    const base = { instrument: spx, columns, capital: CAPITAL };
    const input = { ...base, definition: threshold, params: { at: 100 }, firstN: 1, policy: percentPolicy("50") };
    const statistics = statisticsOf({ ...base, fills: runBacktest(input).fills }, "1m");
    expect(statistics).toMatchObject({ trades: 1, winRate: 1, profitFactor: null });
    expect(statisticsOf(run([90, 90]).source, "1m")).toMatchObject({ trades: 0, winRate: null, exposure: 0 });
  });

  test("drawdown from the highest close, the capital being the first", () => {
    expect(maxDrawdownOf(Float64Array.of(80, 120, 90, 130), 100)).toBe(0.25);
    expect(maxDrawdownOf(Float64Array.of(50, 60), 100)).toBe(0.5);
    expect(maxDrawdownOf(Float64Array.of(), 100)).toBe(0);
  });

  test("Sharpe and Sortino by hand", () => {
    const returns = returnsOf(Float64Array.of(110, 99, 108.9), 100);
    expect(Array.from(returns, (value) => Math.round(value * 1e12) / 1e12)).toEqual([0.1, -0.1, 0.1]);
    // Mean 1/30, sample deviation sqrt(0.04/3), downside sqrt(0.01/3).
    expect(sharpeOf(returns, 365)).toBeCloseTo((1 / 30 / Math.sqrt(0.04 / 3)) * Math.sqrt(365), 10);
    expect(sortinoOf(returns, 365)).toBeCloseTo((1 / 30 / Math.sqrt(0.01 / 3)) * Math.sqrt(365), 10);
    expect(sharpeOf(Float64Array.of(0, 0), 365)).toBeNull();
    expect(sortinoOf(Float64Array.of(0.1), 365)).toBeNull();
  });
});

test("a strategy that throws ends the run with what it threw; progress is told", () => {
  const columns = columnsOf(barsOf([1, 2, 3]));
  const bad = { ...threshold, create: () => ({ ...smaCross.create({ fast: 1, slow: 2 }), onBar: () => raise() }) };
  const input = {
    params: { at: 1 },
    instrument: spx,
    columns,
    firstN: 1,
    capital: CAPITAL,
    policy: percentPolicy("1"),
  };
  expect(() => runBacktest({ ...input, definition: bad })).toThrow("on purpose");
  const told: number[] = [];
  runBacktest({ ...input, definition: threshold, onProgress: (bars) => told.push(bars) });
  expect(told).toEqual([3]);
});

function raise(): never {
  throw new Error("on purpose");
}
