import { describe, expect, test } from "bun:test";
import type { Series } from "#services/market-data/series/series.ts";
import { singlesOf } from "#shared/candles/aggregate.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { beginsAnew, formingCandle, isOver, NO_PROGRESS, stepTrades, type TradeProgress } from "./trade-series.ts";

const series: Series = {
  instrumentId: "A/B.x",
  timeFrame: "1m",
  source: "bars",
  forming: true,
  history: 1,
  firstN: 1,
  headN: 7,
  headOpenAtMs: 420_000,
  lastTradeId: null,
};

const trade = (id: number, atMs: number): VenueTrade => ({
  instrumentId: "A/B.x",
  tradeId: String(id),
  price: "1",
  size: "1",
  takerSide: "BUY",
  atMs,
  receivedAtMs: atMs + 2,
});

describe("stepTrades", () => {
  const fresh = { ...series, headN: 0, headOpenAtMs: null };
  const run = (from: TradeProgress, ...trades: VenueTrade[]) => {
    const steps = [];
    let progress = from;
    for (const run of trades.flatMap((one) => singlesOf({ trades: [one] }))) {
      const step = stepTrades(fresh, progress, run);
      steps.push(step);
      progress = step.progress;
    }
    return { steps, progress };
  };

  test("a candle that was joined half-way is not whole, the next one is", () => {
    const { steps } = run(NO_PROGRESS, trade(5, 30_000), trade(6, 60_000), trade(7, 120_000));
    expect(steps.map(({ closed, wasWhole }) => [closed?.openAtMs ?? null, wasWhole])).toEqual([
      [null, false],
      [0, false],
      [60_000, true],
    ]);
  });

  test("behind a stored last trade the first candle is whole", () => {
    const { steps } = run({ ...NO_PROGRESS, lastTradeId: "4" }, trade(5, 30_000), trade(6, 60_000));
    expect(steps[1]).toMatchObject({ wasWhole: true, closed: { openAtMs: 0, lastTradeId: "5" } });
  });

  test("the clock ends only a candle of a live market, after its grace", () => {
    const live = run(NO_PROGRESS, trade(1, 30_000)).progress;
    // Its trades arrive 2 ms after they happened: so far the venue's clock may be behind.
    expect(isOver(live, 60_501, 500)).toBe(false);
    expect(isOver(live, 60_502, 500)).toBe(true);
    const behind = run(NO_PROGRESS, { ...trade(1, 30_000), receivedAtMs: 31_000 }).progress;
    expect(isOver(behind, 61_499, 500)).toBe(false);
    expect(isOver(behind, 61_500, 500)).toBe(true);
    const replayed = run(NO_PROGRESS, { ...trade(1, 30_000), receivedAtMs: 1_700_000_000_000 }).progress;
    expect(isOver(replayed, 1_700_000_000_000, 500)).toBe(false);
  });

  test("a trade whose candle the clock has closed opens it no more: it is late, and its id is passed", () => {
    const open = run({ ...NO_PROGRESS, lastTradeId: "4" }, trade(5, 30_000)).progress;
    const closed = { ...open, forming: null, beforeOpenAtMs: 0 };
    const { steps, progress } = run(closed, trade(6, 59_999), trade(7, 60_001));
    expect(steps.map(({ isLate }) => isLate)).toEqual([true, false]);
    expect(progress).toMatchObject({ lastTradeId: "7", forming: { openAtMs: 60_000 } });
    expect(progress.forming?.volume.toFixed()).toBe("1");
  });

  test("an id that was passed is a new trade only where it happened long after the newest one", () => {
    const { progress } = run(NO_PROGRESS, trade(900, 30_000));
    expect(beginsAnew(progress, trade(1, 31_000))).toBe(false);
    expect(beginsAnew(progress, trade(1, 31_001))).toBe(true);
    expect(beginsAnew(NO_PROGRESS, trade(1, 31_001))).toBe(false);
  });

  test("the forming candle is published without its trade ids", () => {
    const { progress } = run(NO_PROGRESS, trade(1, 480_000));
    expect(formingCandle(series, progress)).toMatchObject({ n: 8, closed: false, receivedAtMs: 480_002 });
    expect(formingCandle(series, progress)).not.toHaveProperty("lastTradeId");
    expect(formingCandle(series, NO_PROGRESS)).toBeNull();
  });
});
