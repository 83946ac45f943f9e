import { expect, test } from "bun:test";
import { MINUTE_MS } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { Store } from "#services/market-data/store.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { numbered, numberedBefore, type Series } from "./series.ts";

const at = replicasOfEachTest();

/** Series of these instruments, without a candle. */
async function made(store: Store, ids: readonly string[], timeFrame: TimeFrame = "1m"): Promise<Series[]> {
  const empty = { source: "trades", forming: false, history: 1, firstN: 1, headN: 0 } as const;
  return await Promise.all(
    ids.map((instrumentId) =>
      store.ensureSeries({ instrumentId, timeFrame, ...empty, headOpenAtMs: null, lastTradeId: null }, 0, 1),
    ),
  );
}

/** The candle of a minute behind the head. */
const next = (series: Series, minute: number) =>
  numbered(series, [{ ...at.venue.bar(minute, "10"), receivedAtMs: 1.5 }]);

test("candles of many series are added at once, each behind its own head", async () => {
  const store = new Store(at.database.db);
  const all = await made(store, ["A/B.x", "C/D.x", "E/F.x"]);
  const added = all.map((series, n) => store.extend(series, { behind: next(series, n), lastTradeId: `${n}7` }));
  expect(await Promise.all(added)).toEqual([true, true, true]);
  const heads = await store.listSeries({});
  expect(heads.map(({ headN, headOpenAtMs, lastTradeId }) => [headN, headOpenAtMs, lastTradeId])).toEqual([
    [1, 0, "07"],
    [1, MINUTE_MS, "17"],
    [1, 2 * MINUTE_MS, "27"],
  ]);
});

test("what cannot be added keeps no other series from it", async () => {
  const store = new Store(at.database.db);
  const [first = expect.unreachable(), good = expect.unreachable(), old = expect.unreachable()] = await made(store, [
    "A/B.x",
    "C/D.x",
    "E/F.x",
  ]);
  const broken = next(first, 0).map((candle) => ({ ...candle, close: "no number" }));
  const outcomes = await Promise.allSettled([
    store.extend(good, { behind: next(good, 1) }),
    // This one and what follows wait for the first and go together.
    store.extend(first, { behind: broken }),
    store.extend({ ...old, headN: 3 }, { behind: next(old, 2) }),
    store.extend(old, { behind: next(old, 3) }),
  ]);
  expect(outcomes.map((one) => (one.status === "fulfilled" ? one.value : "failed"))).toEqual([
    true,
    "failed",
    false,
    true,
  ]);
  expect((await store.listSeries({})).map(({ headN }) => headN)).toEqual([0, 1, 1]);
});

test("two changes of one series never go together: each moves its own end", async () => {
  const store = new Store(at.database.db);
  const [busy = expect.unreachable(), empty = expect.unreachable()] = await made(store, ["A/B.x", "C/D.x"]);
  expect(await store.extend(empty, { behind: next(empty, 5) })).toBe(true);
  const series = (await store.series("C/D.x", "1m")) ?? expect.unreachable();
  const answers = await Promise.all([
    store.extend(busy, { behind: next(busy, 0) }),
    store.extend(series, { behind: next(series, 6) }),
    store.extend(series, { before: numberedBefore(series, [at.venue.bar(4, "10")]) }),
  ]);
  expect(answers).toEqual([true, true, true]);
  expect(await store.series("C/D.x", "1m")).toMatchObject({ firstN: 0, headN: 2 });
  const stored = await store.candles({ instrumentId: "C/D.x", timeFrame: "1m", limit: 9 });
  expect(stored.map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual([
    [0, 4],
    [1, 5],
    [2, 6],
  ]);
});
