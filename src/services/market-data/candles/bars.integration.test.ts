import { describe, expect, spyOn, test } from "bun:test";
import { listen, MINUTE_MS, showBars } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { numbered } from "#services/market-data/series/series.ts";
import { Store } from "#services/market-data/store.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

const at = replicasOfEachTest();

const numbersOf = (candles: readonly Candle[]): number[] => candles.map(({ n }) => n);
const closesOf = (candles: readonly Candle[]): string[] => candles.map(({ n, close }) => `${n}:${close}`);

describe("a series from the venue's bars", () => {
  test("begins with its history, then numbers each bar as it comes, exactly and once", async () => {
    at.venue.bar(0, "10.5");
    at.venue.bar(3, "11");
    const { bus, ensure, candles, hits } = await at.start();
    expect(await ensure({ history: 10 })).toEqual({
      instrumentId: spx.id,
      timeFrame: "1m",
      source: "bars",
      firstN: 1,
      headN: 2,
      headOpenAtMs: 3 * MINUTE_MS,
    });
    expect(hits).toEqual([]);
    const heard = await listen(bus);
    const third = at.venue.bar(4, "10.123456789012345678");
    await showBars(bus, third, third);
    await showBars(bus, third);
    await until(() => heard.some(({ n }) => n === 3));
    expect(hits).toEqual([{ bar: 3 }]);
    expect(await candles("fromN=1")).toEqual([
      expect.objectContaining({ n: 1, close: "10.5" }),
      expect.objectContaining({ n: 2, close: "11", openAtMs: 3 * MINUTE_MS }),
      {
        instrumentId: spx.id,
        timeFrame: "1m",
        source: "bars",
        n: 3,
        closed: true,
        openAtMs: 4 * MINUTE_MS,
        closeAtMs: 5 * MINUTE_MS,
        open: "10",
        high: "12.5",
        low: "9.5",
        close: "10.123456789012345678",
        volume: "3.25",
        receivedAtMs: 1.5,
      },
    ]);
    expect(heard.find(({ n }) => n === 3)).toMatchObject({ closed: true, close: "10.123456789012345678" });
  });

  test("begins with a history of several pages, counted back over holes, and tells of none of it", async () => {
    // A market that rests two days of seven.
    for (let minute = 0; at.venue.bars_.length < 7_000; minute += 1) if (minute % 7 < 5) at.venue.bar(minute, "10");
    const { ensure, candles, hits } = await at.start();
    expect(await ensure({ history: 6_000 })).toMatchObject({ firstN: 1, headN: 6_000 });
    expect((await candles("fromN=1&limit=1"))[0]?.openAtMs).toBe(at.venue.bars_[1_000]?.openAtMs);
    expect((await candles("fromN=6000"))[0]?.openAtMs).toBe(at.venue.bars_.at(-1)?.openAtMs);
    expect(hits).toEqual([]);
  });

  test("whose head the venue has taken back goes on from what it lists, keeps the candle and tells once", async () => {
    for (const minute of [0, 1, 2]) at.venue.bar(minute, "10");
    const { bus, ensure, candles } = await at.start();
    expect(await ensure({ history: 3 })).toMatchObject({ headN: 3 });
    at.venue.bars_ = at.venue.bars_.slice(0, 2);
    await showBars(bus, at.venue.bar(3, "11"));
    await until(async () => (await candles("fromN=4")).length === 1);
    await showBars(bus, at.venue.bar(4, "12"));
    await until(async () => (await candles("fromN=4")).length === 2);
    expect((await candles("fromN=3")).map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual([
      [3, 2],
      [4, 3],
      [5, 4],
    ]);
    expect(await ensure({ history: 3 })).toMatchObject({ headN: 5 });
    const rows = await at.database.db.sql<{ code: string; scope: string }[]>`select code, scope from alerts.open`;
    expect(rows).toEqual([{ code: "HISTORY_CHANGED", scope: `series:${spx.id}/1m` }] as never);
  });

  test("that was asked for twice at once reads its history once", async () => {
    for (let minute = 0; minute < 3_000; minute += 1) at.venue.bar(minute, "10");
    const { ensure } = await at.start();
    const asked = spyOn(at.venue, "bars");
    await Promise.all([ensure({ history: 2_500 }), ensure({ history: 2_500 })]);
    // Three pages back, three forth, and the second one's look at what is new.
    expect(asked).toHaveBeenCalledTimes(7);
  });

  test("gives what there is where the venue has no more, and takes the most that is asked for before its first bar", async () => {
    const { ask, ensure } = await at.start();
    const found = `/series?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m`;
    expect(await (await ask(found)).json()).toMatchObject({ items: [] });
    expect(await ensure({ history: 10 })).toMatchObject({ headN: 0 });
    expect(await (await ask(found)).json()).toMatchObject({ items: [{ headN: 0 }] });
    for (let minute = 0; minute < 1_500; minute += 1) at.venue.bar(minute, "10");
    expect(await ensure({ history: 2_000 })).toMatchObject({ headN: 1_500 });
  });

  test("takes the venue's first bar as number 1", async () => {
    const { bus, ensure, candles } = await at.start();
    expect(await ensure()).toMatchObject({ firstN: 0, headN: 0, headOpenAtMs: null });
    await showBars(bus, at.venue.bar(0, "10"));
    await until(async () => (await candles("fromN=1")).length === 1);
  });

  test("closes holes with the venue's list, in order, before a later bar gets its number", async () => {
    at.venue.bar(0, "10");
    const { bus, ensure, candles } = await at.start();
    await ensure();
    const heard = await listen(bus);
    for (const minute of [1, 2, 3]) at.venue.bar(minute, `1${minute}`);
    at.venue.failures = 1;
    const late = at.venue.bar(9, "19");
    await showBars(bus, late);
    await until(() => at.venue.failures === 0);
    expect(await candles("fromN=2")).toEqual([]);
    await showBars(bus, late);
    await until(() => heard.some(({ n }) => n === 5));
    expect(closesOf(await candles("fromN=1"))).toEqual(["1:10", "2:11", "3:12", "4:13", "5:19"]);
  });

  test("repeats the newest candle of each series, so that a lost message is noticed", async () => {
    at.venue.bar(0, "10");
    const { bus, ensure } = await at.start();
    await ensure();
    const heard = await listen(bus);
    await until(() => heard.length >= 3);
    expect(new Set(numbersOf(heard))).toEqual(new Set([1]));
  });

  test("stores a candle before it is published", async () => {
    const { bus, ensure, onStored } = await at.start();
    await ensure();
    const heard = await listen(bus);
    const seen: { heard: number; stored: Promise<unknown[]> }[] = [];
    onStored.run = () => {
      seen.push({ heard: heard.length, stored: at.database.db.sql`select n from market_data.candles`.execute() });
    };
    await showBars(bus, at.venue.bar(0, "10"));
    await until(() => heard.length > 0);
    expect(seen.map((one) => one.heard)).toEqual([0]);
    expect(await seen[0]?.stored).toHaveLength(1);
  });

  test("a writer whose head is old adds nothing and is told so", async () => {
    const store = new Store(at.database.db);
    const fresh = { instrumentId: spx.id, timeFrame: "1m", source: "bars", forming: false, history: 1 } as const;
    const before = await store.ensureSeries(
      { ...fresh, firstN: 1, headN: 0, headOpenAtMs: null, lastTradeId: null },
      0,
      1,
    );
    const [first, second] = [at.venue.bar(0, "10"), at.venue.bar(1, "11")];
    expect(await store.extend(before, { behind: numbered(before, [first]) })).toBe(true);
    expect(await store.extend(before, { behind: numbered(before, [first, second]) })).toBe(false);
    expect(await store.series(spx.id, "1m")).toMatchObject({ headN: 1, headOpenAtMs: 0 });
    expect(await store.candles({ instrumentId: spx.id, timeFrame: "1m", limit: 10 })).toHaveLength(1);
  });

  test("two replicas that add at once give each number once", async () => {
    const first = await at.start();
    await first.ensure();
    for (let minute = 0; minute < 40; minute += 1) at.venue.bar(minute, String(minute + 1));
    const second = await at.start();
    await Promise.all([first, second, first, second].map((replica) => replica.ensure()));
    const candles = await second.candles("fromN=1");
    expect(closesOf(candles)).toEqual(Array.from({ length: 40 }, (_, index) => `${index + 1}:${index + 1}`));
    const [row] = await at.database.db.sql<{ head_n: number }[]>`select head_n from market_data.series`;
    expect(row?.head_n).toBe(40);
  });

  test("makes up for what came while no one was there", async () => {
    at.venue.bar(0, "10");
    const first = await at.start();
    await first.ensure();
    await first.stop();
    for (let minute = 1; minute < 1_500; minute += 1) at.venue.bar(minute, "11");
    const second = await at.start();
    expect(await second.ensure()).toMatchObject({ headN: 1_500 });
    expect(numbersOf(await second.candles("fromN=1499"))).toEqual([1_499, 1_500]);
  });
});
