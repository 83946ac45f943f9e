import { expect, test } from "bun:test";
import fc from "fast-check";
import { mergeBars } from "#shared/candles/merge-bars.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { candleOpenAtMs, type TimeFrame } from "#shared/domain/time-frame.ts";
import { type CandleRow, Candles, closeAtMsOf } from "./candles.ts";

const BEGIN_MS = Date.UTC(2024, 11, 29, 23, 57);

function barOf(row: CandleRow): VenueBar {
  const { timeFrame, openAtMs, open, high, low, close, volume } = row;
  const times = { openAtMs, closeAtMs: closeAtMsOf(row), prevOpenAtMs: null, receivedAtMs: 0 };
  return { instrumentId: "A/B.x", timeFrame, open, high, low, close, volume, ...times };
}

/** The market's closed bars of one time frame, made of those of a shorter one; what is not over is left out. */
function made(candles: Candles, timeFrame: TimeFrame, from: TimeFrame): VenueBar[] {
  const bars = candles.closed(from).map(barOf);
  const groups = [...Map.groupBy(bars, ({ openAtMs }) => candleOpenAtMs(timeFrame, openAtMs)).values()];
  const merged = groups.map(([first = expect.unreachable(), ...others]) => mergeBars(timeFrame, [first, ...others]));
  const over = candles.closed(timeFrame);
  return merged.slice(0, over.length);
}

test("the market's bars of a minute and an hour are what the engine makes of its shorter ones", () => {
  const step = fc.tuple(
    fc.integer({ min: 1, max: 9_999 }),
    fc.integer({ min: 1, max: 50 }),
    fc.integer({ max: 90_000, min: 0 }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
      const candles = new Candles([], { atMs: BEGIN_MS, price: "55" });
      let atMs = BEGIN_MS;
      for (const [index, [price, size, pauseMs]] of steps.entries()) {
        atMs += pauseMs;
        candles.closeUntil(atMs);
        candles.add({ id: index + 1, price: `${price / 100}`, size: `${size / 10}`, atMs });
      }
      candles.closeUntil(atMs + 3_600_000);
      expect(made(candles, "1m", "1s")).toEqual(candles.closed("1m").map(barOf));
      expect(made(candles, "1h", "1m")).toEqual(candles.closed("1h").map(barOf));
    }),
    { numRuns: 20 },
  );
});
