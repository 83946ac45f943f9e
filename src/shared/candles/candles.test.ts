import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { TIME_FRAMES, type TimeFrame } from "#shared/domain/time-frame.ts";
import {
  addTrades,
  candleOf,
  type FormingCandle,
  runsOf,
  singlesOf,
  type TradedCandle,
  type TradeRun,
} from "./aggregate.ts";
import { tradeIdAfter, tradeLinkOf } from "./trade-ids.ts";

function trade(id: number, atMs: number, price: string, size = "1"): VenueTrade {
  return { instrumentId: "A/B.x", tradeId: String(id), price, size, takerSide: "BUY", atMs, receivedAtMs: atMs + 0.5 };
}

/** Trade by trade. */
function aggregate(timeFrame: TimeFrame, trades: readonly VenueTrade[]): TradedCandle[] {
  return aggregateRuns(timeFrame, singlesOf({ trades }));
}

function aggregateRuns(timeFrame: TimeFrame, runs: readonly TradeRun[]): TradedCandle[] {
  const candles: TradedCandle[] = [];
  let forming: FormingCandle | null = null;
  for (const run of runs) {
    const step = addTrades(timeFrame, forming, run);
    if (step.closed !== null) candles.push(step.closed);
    forming = step.forming;
  }
  return forming === null ? candles : [...candles, candleOf(forming)];
}

describe("addTrades", () => {
  test("makes open, high, low, close and volume of the trades of a second", () => {
    const [candle, ...others] = aggregate("1s", [
      trade(7, 5_000, "10.5", "0.1"),
      trade(8, 5_400, "9.75", "0.2"),
      trade(9, 5_999, "10", "0.7"),
    ]);
    expect(others).toEqual([]);
    expect(candle).toEqual({
      openAtMs: 5_000,
      closeAtMs: 6_000,
      open: "10.5",
      high: "10.5",
      low: "9.75",
      close: "10",
      volume: "1",
      lastTradeId: "9",
      tradedAtMs: 5_999,
      receivedAtMs: 5_999.5,
    });
  });

  test("a trade at the closing moment belongs to the next candle, and empty stretches make none", () => {
    const candles = aggregate("1m", [trade(1, 59_999, "1"), trade(2, 60_000, "2"), trade(3, 600_000, "3")]);
    expect(candles.map((candle) => candle.openAtMs)).toEqual([0, 60_000, 600_000]);
    expect(candles.map((candle) => candle.lastTradeId)).toEqual(["1", "2", "3"]);
  });

  test("compares prices as numbers, not as text", () => {
    const [candle] = aggregate("1s", [trade(1, 0, "9"), trade(2, 1, "10"), trade(3, 2, "9.5")]);
    expect(candle).toMatchObject({ high: "10", low: "9" });
  });

  test("an earlier time behind a later id counts into the candle that is open", () => {
    const candles = aggregate("1s", [trade(1, 2_000, "1"), trade(2, 1_999, "2")]);
    expect(candles).toHaveLength(1);
    expect(candles[0]).toMatchObject({ openAtMs: 2_000, close: "2", volume: "2", tradedAtMs: 2_000 });
  });

  test("days open at midnight UTC", () => {
    const atMs = Date.UTC(2020, 1, 29, 23, 59, 59, 999);
    expect(aggregate("1d", [trade(1, atMs, "1")])[0]?.openAtMs).toBe(Date.UTC(2020, 1, 29));
  });

  test("keeps the whole volume, exactly, whatever the trades", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 10 ** 9 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(sizes, (units) => {
        const trades = units.map((unit, index) => trade(index, index * 333, "1", plain(decimal(`${unit}e-8`))));
        const total = trades.reduce((sum, each) => sum.plus(each.size), decimal("0"));
        const volume = aggregate("1s", trades).reduce((sum, candle) => sum.plus(candle.volume), decimal("0"));
        return volume.eq(total);
      }),
    );
  });
});

describe("runsOf", () => {
  const SOME: readonly TimeFrame[][] = [[...TIME_FRAMES], ["1m", "3m", "5m"], ["3m", "5m"], ["1d", "1w"], ["1w"]];

  test("adds each trade up once and makes the same candles as trade by trade does, of every time frame", () => {
    const steps = fc.array(
      fc.record({
        aheadMs: fc.constantFrom(-1_500, 0, 1, 400, 59_000, 61_000, 1_800_000, 90_000_000),
        price: fc.nat(99),
      }),
      { minLength: 1, maxLength: 80 },
    );
    fc.assert(
      fc.property(steps, fc.constantFrom(...SOME), fc.integer({ min: 0, max: 79 }), (made, timeFrames, hole) => {
        let atMs = Date.UTC(2024, 0, 6, 23, 58);
        const trades = made.map(({ aheadMs, price }, index) => {
          atMs += aheadMs;
          return trade(index + (index >= hole ? 3 : 0), atMs, plain(decimal(`${price + 1}e-1`)), "0.1");
        });
        const runs = runsOf(trades, timeFrames);
        expect(runs.flatMap((run) => run.trades)).toEqual(trades);
        for (const timeFrame of timeFrames)
          expect(aggregateRuns(timeFrame, runs)).toEqual(aggregate(timeFrame, trades));
      }),
    );
  });

  test("ends a run before a trade that opens a candle, and where an id is missing", () => {
    const trades = [trade(1, 0, "1"), trade(2, 59_999, "2"), trade(3, 60_000, "3"), trade(5, 60_001, "4")];
    expect(runsOf(trades, ["1m", "1h"]).map(({ first, last }) => [first.tradeId, last.tradeId])).toEqual([
      ["1", "2"],
      ["3", "3"],
      ["5", "5"],
    ]);
    expect(runsOf([], ["1m"])).toEqual([]);
  });
});

describe("trade ids", () => {
  test.each([
    ["5", "5", "duplicate"],
    ["5", "4", "duplicate"],
    ["9", "10", "next"],
    ["5", "7", "hole"],
    ["9007199254740993", "9007199254740994", "next"],
  ] as const)("after %s, %s is %s", (last, id, link) => {
    expect(tradeLinkOf(last, id)).toBe(link);
  });

  test("are counted on and back, not below zero", () => {
    expect(tradeIdAfter("9007199254740993", 1)).toBe("9007199254740994");
    expect(tradeIdAfter("5", -10)).toBe("0");
  });
});
