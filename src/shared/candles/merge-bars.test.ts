import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import { candleOpenAtMs, TIME_FRAMES, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { addTrades, candleOf, type FormingCandle, singlesOf, type TradedCandle } from "./aggregate.ts";
import { mergeBars } from "./merge-bars.ts";

const [PRICE, SIZE, PAUSE_MS] = [fc.integer({ min: 1, max: 9_999 }), fc.integer({ min: 1, max: 10 ** 9 }), 0];

/** Trades of a market that is busy now and quiet then: pauses from none to days. */
const trades = fc
  .array(
    fc.tuple(
      PRICE,
      SIZE,
      fc.oneof(
        fc.integer({ min: 0, max: 400_000 }),
        fc.integer({ min: PAUSE_MS, max: 900 }),
        fc.integer({ min: 0, max: 10 ** 8 }),
      ),
    ),
    {
      minLength: 1,
      maxLength: 80,
    },
  )
  .map((steps) => {
    let atMs = Date.UTC(2024, 1, 28, 23, 58);
    return steps.map(([price, size, pauseMs], index): VenueTrade => {
      atMs += pauseMs;
      const amounts = { price: `${price / 100}`, size: `0.${String(size).padStart(10, "0")}1` };
      return { instrumentId: "A/B.x", tradeId: `${index}`, ...amounts, takerSide: "BUY", atMs, receivedAtMs: atMs };
    });
  });

function barOf(timeFrame: TimeFrame, candle: TradedCandle): VenueBar {
  const { lastTradeId: _id, tradedAtMs: _at, ...prices } = candle;
  return { instrumentId: "A/B.x", timeFrame, ...prices, prevOpenAtMs: null };
}

/** Bars made of the trades themselves. */
function barsOf(timeFrame: TimeFrame, all: readonly VenueTrade[]): VenueBar[] {
  const bars: VenueBar[] = [];
  let forming: FormingCandle | null = null;
  for (const run of singlesOf({ trades: all })) {
    const step = addTrades(timeFrame, forming, run);
    if (step.closed !== null) bars.push(barOf(timeFrame, step.closed));
    forming = step.forming;
  }
  return forming === null ? bars : [...bars, barOf(timeFrame, candleOf(forming))];
}

/** A venue that tells an empty bar where nothing was traded: with the close before it as its prices. */
function withEmpty(bars: readonly VenueBar[]): VenueBar[] {
  return bars.flatMap((bar, index) => {
    const next = bars[index + 1];
    if (next === undefined || next.openAtMs === bar.closeAtMs) return [bar];
    const price = { open: bar.close, high: bar.close, low: bar.close, close: bar.close, volume: "0" };
    const closeAtMs = bar.closeAtMs + timeFrameMs(bar.timeFrame);
    return [bar, { ...bar, ...price, openAtMs: bar.closeAtMs, closeAtMs }];
  });
}

function merged(timeFrame: TimeFrame, bars: readonly VenueBar[]): VenueBar[] {
  const groups = Map.groupBy(bars, ({ openAtMs }) => candleOpenAtMs(timeFrame, openAtMs));
  return [...groups.values()].map(([first = expect.unreachable(), ...others]) =>
    mergeBars(timeFrame, [first, ...others]),
  );
}

describe("mergeBars", () => {
  test("makes of the bars of a second what their trades make, in every time frame, by whatever steps", () => {
    fc.assert(
      fc.property(trades, (all) => {
        const seconds = barsOf("1s", all);
        for (const timeFrame of TIME_FRAMES) expect(merged(timeFrame, seconds)).toEqual(barsOf(timeFrame, all));
        const minutes = merged("1m", seconds);
        expect(merged("1w", merged("1d", merged("1h", minutes)))).toEqual(barsOf("1w", all));
        expect(merged("12h", merged("4h", merged("2h", merged("15m", minutes))))).toEqual(barsOf("12h", all));
      }),
    );
  });

  test("takes no price of a bar without a trade where another has one", () => {
    fc.assert(
      fc.property(trades, (all) => {
        const traded = new Set(barsOf("5m", all).map(({ openAtMs }) => openAtMs));
        const made = merged("5m", withEmpty(barsOf("1m", all))).filter(({ openAtMs }) => traded.has(openAtMs));
        // When the frame of the last one came is another matter.
        const prices = (bars: readonly VenueBar[]) => bars.map((bar) => ({ ...bar, receivedAtMs: 0 }));
        expect(prices(made)).toEqual(prices(barsOf("5m", all)));
      }),
    );
  });

  test("of bars without any trade is one without a trade", () => {
    const flat = { open: "7", high: "7", low: "7", close: "7", volume: "0", prevOpenAtMs: null, receivedAtMs: 1 };
    const empty: VenueBar = { instrumentId: "A/B.x", timeFrame: "1m", openAtMs: 300_000, closeAtMs: 360_000, ...flat };
    const bar = { ...empty, timeFrame: "3m", openAtMs: 180_000, closeAtMs: 360_000 } as const;
    expect(mergeBars("3m", [empty])).toEqual(bar);
  });
});
