import { describe, expect, test } from "bun:test";
import { MINUTE_MS, showBars } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

const at = replicasOfEachTest();
/** A new series begins with so few. */
const FEW = { R3_MARKET_DATA_LEAST_HISTORY: "3" };

const minutesOf = (candles: readonly Candle[]) => candles.map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS]);

/** Closes the minutes [from, to). */
function bars(from: number, to: number): void {
  for (let minute = from; minute < to; minute += 1) at.venue.bar(minute, "10");
}

describe("a series that is asked for more history than it has", () => {
  test("grows at its beginning: earlier candles are 0, -1, ..., and none gets another number", async () => {
    bars(0, 20);
    const { bus, ensure, candles } = await at.start(FEW);
    expect(await ensure()).toMatchObject({ firstN: 1, headN: 3 });
    const before = await candles("limit=10");
    expect(await ensure({ history: 8 })).toMatchObject({ firstN: -4, headN: 3, headOpenAtMs: 19 * MINUTE_MS });
    expect(minutesOf(await candles("limit=10"))).toEqual([-4, -3, -2, -1, 0, 1, 2, 3].map((n) => [n, 16 + n]));
    expect(await candles("fromN=1")).toEqual(before);
    expect(minutesOf(await candles("fromN=-2&limit=2"))).toEqual([
      [-2, 14],
      [-1, 15],
    ]);
    expect(await ensure({ history: 5 })).toMatchObject({ firstN: -4, headN: 3 });
    await showBars(bus, at.venue.bar(20, "11"));
    await until(async () => (await candles("fromN=4")).length === 1);
    expect(await ensure({ history: 9 })).toMatchObject({ firstN: -4, headN: 4 });
  });

  test("takes what the venue has where that is less, and asks no further", async () => {
    bars(0, 5);
    const { ensure } = await at.start(FEW);
    await ensure();
    expect(await ensure({ history: 100 })).toMatchObject({ firstN: -1, headN: 3 });
    expect(await ensure({ history: 100 })).toMatchObject({ firstN: -1, headN: 3 });
  });

  test("that fails half-way keeps whole pages, and goes on where it stood", async () => {
    bars(0, 2_600);
    const { ensure, candles } = await at.start(FEW);
    await ensure();
    const told = at.venue.bars.bind(at.venue);
    let pages = 0;
    at.venue.bars = async (query) => {
      if (query.toMs !== undefined) pages += 1;
      if (pages > 1) throw new Error("away");
      return await told(query);
    };
    expect(await failureOf(ensure({ history: 2_503 }))).not.toBe("nothing");
    expect(await candles("limit=1")).toMatchObject([{ n: -999 }]);
    at.venue.bars = told;
    expect(await ensure({ history: 2_503 })).toMatchObject({ firstN: -2_499, headN: 3 });
    const numbers = (await candles("fromN=-2499&limit=5000")).map(({ n, openAtMs }) => n - openAtMs / MINUTE_MS);
    expect(new Set(numbers)).toEqual(new Set([-2_596]));
    expect(numbers).toHaveLength(2_503);
  });

  test("gives each number once where two replicas are asked at once, while its end moves", async () => {
    bars(0, 3_000);
    const [one, other] = [await at.start(FEW), await at.start(FEW)];
    await one.ensure();
    const growing = [one, other, one, other].map(({ ensure }) => ensure({ history: 2_800 }));
    for (let minute = 3_000; minute < 3_020; minute += 1) await showBars(one.bus, at.venue.bar(minute, "11"));
    await Promise.all(growing);
    await until(async () => (await one.candles("fromN=23")).length === 1);
    const head = await other.ensure({ history: 2_800 });
    expect(head.headN).toBe(23);
    const all = await one.candles("fromN=-5000&limit=5000");
    expect(all.map(({ n }) => n)).toEqual(all.map((_, index) => head.firstN + index));
    expect(all.length).toBeGreaterThanOrEqual(2_800);
    expect(new Set(all.map(({ n, openAtMs }) => n - openAtMs / MINUTE_MS)).size).toBe(1);
  });

  test("of trades leaves bars without a trade out, and reads on before them", async () => {
    bars(0, 4);
    for (let minute = 4; minute < 1_200; minute += 1) {
      at.venue.bar(minute, "10");
      at.venue.bars_ = at.venue.bars_.map((bar, n, all) => (n === all.length - 1 ? { ...bar, volume: "0" } : bar));
    }
    bars(1_200, 1_203);
    const { ensure, candles } = await at.start(FEW);
    expect(await ensure({ source: "trades" })).toMatchObject({ firstN: 1, headN: 3 });
    expect(await ensure({ source: "trades", history: 5 })).toMatchObject({ firstN: -1, headN: 3 });
    expect(minutesOf(await candles("fromN=-1&limit=2"))).toEqual([
      [-1, 2],
      [0, 3],
    ]);
  });

  test("is told so by its list and its columns too", async () => {
    bars(0, 9);
    const { ensure, ask } = await at.start(FEW);
    await ensure();
    await ensure({ history: 6 });
    expect(await (await ask("/series")).json()).toMatchObject({ items: [{ firstN: -2, headN: 3 }] });
    const path = `/candles/columns?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m&fromN=-2&toN=1`;
    expect(await (await ask(path)).json()).toMatchObject({ count: 4 });
  });
});
