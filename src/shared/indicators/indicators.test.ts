import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { atrOver, createAtr } from "./atr.ts";
import { bollingerOver, createBollinger } from "./bollinger.ts";
import { isAbove } from "./compare.ts";
import { createDonchian, donchianOver } from "./donchian.ts";
import { createEma, emaOver } from "./ema.ts";
import type { Indicator, PriceBar } from "./indicator.ts";
import { createMacd, macdOver } from "./macd.ts";
import { createRsi, rsiOver } from "./rsi.ts";
import { createSma, smaOver } from "./sma.ts";

const price = fc.double({ min: 0.01, max: 100_000, noNaN: true });
const barOf = fc
  .tuple(price, price, price)
  .map(([a, b, c]): PriceBar => ({ high: Math.max(a, b, c), low: Math.min(a, b, c), close: b }));
const length = fc.integer({ min: 1, max: 12 });

type Columns = Record<string, Float64Array>;

interface Case {
  name: string;
  create: (length: number) => Indicator<PriceBar, Record<string, number>>;
  over: (bars: readonly PriceBar[], length: number) => Columns;
}

/** Each indicator as one over bars that gives named numbers, so that one property holds for all. */
function over<Output>(
  create: (length: number) => Indicator<number, Output>,
  names: (output: Output) => Record<string, number>,
): Case["create"] {
  return (n) => {
    const inner = create(n);
    return { ...inner, update: (bar) => names(inner.update(bar.close)) };
  };
}

const closes = (bars: readonly PriceBar[]) => bars.map((bar) => bar.close);
const columns = (bars: readonly PriceBar[]) => ({
  high: bars.map((bar) => bar.high),
  low: bars.map((bar) => bar.low),
  close: closes(bars),
});
const macd = (n: number) => ({ fast: n, slow: n + 3, signal: 4 });

const CASES: Case[] = [
  {
    name: "SMA",
    create: over(createSma, (value) => ({ value })),
    over: (bars, n) => ({ value: smaOver(closes(bars), n) }),
  },
  {
    name: "EMA",
    create: over(createEma, (value) => ({ value })),
    over: (bars, n) => ({ value: emaOver(closes(bars), n) }),
  },
  {
    name: "RSI",
    create: over(createRsi, (value) => ({ value })),
    over: (bars, n) => ({ value: rsiOver(closes(bars), n) }),
  },
  {
    name: "ATR",
    create: (n) => {
      const inner = createAtr(n);
      return { ...inner, update: (bar) => ({ value: inner.update(bar) }) };
    },
    over: (bars, n) => ({ value: atrOver(columns(bars), n) }),
  },
  {
    name: "Bollinger",
    create: over(
      (n) => createBollinger(n, 2),
      (bands) => ({ ...bands }),
    ),
    over: (bars, n) => ({ ...bollingerOver(closes(bars), n, 2) }),
  },
  {
    name: "MACD",
    create: over(
      (n) => createMacd(macd(n)),
      (value) => ({ ...value }),
    ),
    over: (bars, n) => ({ ...macdOver(closes(bars), macd(n)) }),
  },
  {
    name: "Donchian",
    create: (n) => {
      const inner = createDonchian(n);
      return { ...inner, update: (bar) => ({ ...inner.update(bar) }) };
    },
    over: (bars, n) => ({ ...donchianOver(columns(bars), n) }),
  },
];

describe.each(CASES)("$name", ({ create, over: overArrays }) => {
  test("gives the same bits fed one by one and over arrays", () => {
    fc.assert(
      fc.property(fc.array(barOf, { maxLength: 60 }), length, (bars, n) => {
        const indicator = create(n);
        const columnsOfResult = overArrays(bars, n);
        bars.forEach((bar, index) => {
          for (const [name, value] of Object.entries(indicator.update(bar))) {
            if (!Object.is(value, columnsOfResult[name]?.[index])) {
              throw new Error(`${name} of bar ${index}: ${value} and ${columnsOfResult[name]?.[index]}`);
            }
          }
        });
      }),
    );
  });

  test("goes on the same, to the last bit, from a snapshot that went through JSON", () => {
    fc.assert(
      fc.property(fc.array(barOf, { minLength: 1, maxLength: 40 }), length, fc.nat(), (bars, n, at) => {
        const whole = create(n);
        let resumed = create(n);
        bars.forEach((bar, index) => {
          if (index === at % bars.length) {
            const text = JSON.stringify(resumed.snapshot());
            resumed = create(n);
            resumed.restore(JSON.parse(text));
          }
          const [a, b] = [whole.update(bar), resumed.update(bar)];
          for (const name of Object.keys(a)) if (!Object.is(a[name], b[name])) throw new Error(`${name} at ${index}`);
        });
      }),
    );
  });
});

describe("isAbove", () => {
  test.each([
    [1 + 2e-12, 1, true],
    [1 + 5e-13, 1, false],
    [1, 1, false],
    [1, 2, false],
    [-1, -1 - 2e-12, true],
    [-1, -1 - 5e-13, false],
    [1e-300, 0, true],
    [0, 0, false],
    [Number.NaN, 1, false],
    [1, Number.NaN, false],
  ])("%p above %p: %p", (value, other, expected) => {
    expect(isAbove(value, other)).toBe(expected);
  });
});

describe("known values", () => {
  test("SMA of 1..5 over 3", () => {
    expect(Array.from(smaOver([1, 2, 3, 4, 5], 3))).toEqual([Number.NaN, Number.NaN, 2, 3, 4]);
  });

  test("SMA adds the oldest first: the order of the sum shows in its bits", () => {
    const values = [1e16, 1, 1, 1];
    expect(smaOver(values, 4)[3]).toBe((1e16 + 1 + 1 + 1) / 4);
    expect(smaOver(values.toReversed(), 4)[3]).toBe((1 + 1 + 1 + 1e16) / 4);
    expect(smaOver(values, 4)[3]).not.toBe(smaOver(values.toReversed(), 4)[3]);
  });

  test("EMA of 3 begins with the mean and halves the distance", () => {
    expect(Array.from(emaOver([2, 4, 6, 8, 4], 3)).slice(2)).toEqual([4, 6, 5]);
  });

  test("RSI of Wilder's smoothing", () => {
    // Rises 2, 0, 1 and falls 0, 1, 0: averages over 2 are 1 and 0.5, then (1 + 1) / 2 = 1 and 0.25.
    expect(Array.from(rsiOver([10, 12, 11, 12], 2)).slice(2)).toEqual([100 - 100 / 3, 80]);
    expect(rsiOver([1, 2, 3], 2)[2]).toBe(100);
    expect(rsiOver([5, 5, 5], 2)[2]).toBe(50);
  });

  test("ATR takes the gap from the close before", () => {
    const bars = { high: [10, 15, 16], low: [8, 14, 13], close: [9, 14, 15] };
    // Ranges 2, 6 (15 - 9) and 3; over 2: 4, then (4 + 3) / 2.
    expect(Array.from(atrOver(bars, 2)).slice(1)).toEqual([4, 3.5]);
  });

  test("Bollinger bands of 2, 4, 4, 4, 5, 5, 7, 9: mean 5, deviation 2", () => {
    const bands = bollingerOver([2, 4, 4, 4, 5, 5, 7, 9], 8, 2);
    expect([bands.lower[7], bands.middle[7], bands.upper[7]]).toEqual([1, 5, 9]);
  });

  test("MACD of a straight line is half the difference of its lengths", () => {
    const line = Array.from({ length: 40 }, (_, index) => index);
    const { macd: value, signal, histogram } = macdOver(line, { fast: 3, slow: 7, signal: 4 });
    expect(value[39]).toBeCloseTo(2, 12);
    expect(signal[39]).toBeCloseTo(2, 12);
    expect(histogram[39]).toBeCloseTo(0, 12);
  });

  test("Donchian channel", () => {
    const channel = donchianOver({ high: [3, 5, 4], low: [1, 2, 3] }, 2);
    expect([channel.lower[2], channel.middle[2], channel.upper[2]]).toEqual([2, 3.5, 5]);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "a length of %p is refused, one by one and over arrays",
    (n) => {
      for (const { create, over: overArrays } of CASES) {
        expect(() => create(n)).toThrow(RangeError);
        for (const bars of [[], [{ high: 3, low: 1, close: 2 }]]) expect(() => overArrays(bars, n)).toThrow(RangeError);
      }
      const lengths = { fast: 1, slow: 2, signal: n };
      expect(() => createMacd(lengths)).toThrow(RangeError);
      expect(() => macdOver([1], lengths)).toThrow(RangeError);
    },
  );
});
