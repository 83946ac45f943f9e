import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { CandleWriter, type WriterOptions } from "#services/market-data/candles/candle-writer.ts";
import { FakeVenue, MINUTE_MS } from "#services/market-data/market-data.fixture.ts";
import type { Added } from "#services/market-data/series/ends-store.ts";
import { KeptSeries } from "#services/market-data/series/kept-series.ts";
import type { Series } from "#services/market-data/series/series.ts";
import type { Store } from "#services/market-data/store.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import type { Candle, VenueTrade } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { TradeKeeper } from "./keep-trades.ts";

/** A series of trades in a store of memory, which survives the keeper. */
function world(from: Partial<Series> = {}) {
  const kind = { instrumentId: spx.id, timeFrame: "1m", source: "trades", forming: false, history: 10 } as const;
  let series: Series = { ...kind, firstN: 1, headN: 0, headOpenAtMs: null, lastTradeId: null, ...from };
  const candles: Candle[] = [];
  const store = {
    series: async () => series,
    seriesOfInstrument: async () => [series],
    async extend(before: Series, { behind: added = [], lastTradeId = null }: Added) {
      const newest = added.at(-1);
      if (before.headN !== series.headN || newest === undefined) return false;
      if (candles.some(({ openAtMs }) => openAtMs === newest.openAtMs)) throw new Error("It is stored already.");
      candles.push(...added);
      series = { ...series, headN: newest.n, headOpenAtMs: newest.openAtMs, lastTradeId };
      return true;
    },
  } as unknown as Store;
  const venue = new FakeVenue();
  const clock = createManualClock();
  const log = pino({ level: "silent" });
  const told: string[] = [];
  const deps = { bus: { publishVolatile: async () => undefined }, failpoints: { hit: () => undefined }, clock };

  /** A process that begins with what the store has. */
  function start(): TradeKeeper {
    const kept = new KeptSeries(store, clock, log);
    const common = { kept, dataCollect: venue, log };
    const writer = new CandleWriter({ ...common, store, deps: deps as unknown as WriterOptions["deps"] });
    const tell = async (code: string): Promise<void> => void told.push(code);
    return new TradeKeeper({ ...common, writer, lock: new KeyedLock(), clock, graceMs: 3_000, tell });
  }
  /** The candles as [number, minute, close]. */
  const stored = () => candles.map(({ n, openAtMs, close }) => [n, openAtMs / MINUTE_MS, close]);
  return { venue, clock, told, start, stored, keeper: start(), store };
}

/** A trade in a minute, as it comes. */
const at = (venue: FakeVenue, minute: number, price: string): VenueTrade => venue.trade(minute * MINUTE_MS, price);

describe("the candle that a series of trades has joined half-way", () => {
  const HEAD = { headN: 1, headOpenAtMs: 0 };

  test("is waited for until the venue lists its bar: nothing behind it is numbered before, and no trade asks by itself", async () => {
    const { venue, clock, keeper, stored, told } = world(HEAD);
    venue.bar(0, "1");
    await keeper.keep([at(venue, 1.5, "15")]);
    for (let n = 0; n < 200; n += 1) await keeper.keep([at(venue, 2 + n / 100, "20")]);
    expect(stored()).toEqual([]);
    expect(venue.asked).toBeLessThan(3);
    await clock.advance(4_000);
    await keeper.closeByClock(spx.id);
    expect(stored()).toEqual([]);
    venue.bar(1, "11");
    await clock.advance(4_000);
    await keeper.closeByClock(spx.id);
    expect(stored()).toEqual([
      [2, 1, "11"],
      [3, 2, "20"],
    ]);
    expect(told).toEqual([]);
  });

  test("is left out, and told of, where the venue lists its bar for no time", async () => {
    const { venue, clock, keeper, stored, told } = world(HEAD);
    venue.bar(0, "1");
    await keeper.keep([at(venue, 1.5, "15")]);
    await keeper.keep([at(venue, 2, "20")]);
    await keeper.keep([at(venue, 3, "30")]);
    for (let second = 0; second < 120 && stored().length === 0; second += 1) {
      await clock.advance(1_000);
      await keeper.closeByClock(spx.id);
    }
    expect(stored()).toEqual([[2, 2, "20"]]);
    expect(told).toEqual(["CANDLE_LEFT_OUT"]);
  });

  test("whose list is only filled in part leaves no last trade behind: who starts again joins half-way", async () => {
    const { venue, keeper, stored, start } = world(HEAD);
    venue.bar(0, "1");
    venue.bar(1, "11");
    await keeper.keep([at(venue, 2.5, "25")]);
    await keeper.keep([at(venue, 3, "30")]);
    expect(stored()).toEqual([[2, 1, "11"]]);
    const again = start();
    venue.bar(2, "22");
    await again.keep([at(venue, 3.5, "35")]);
    venue.bar(3, "33");
    await again.keep([at(venue, 4, "40")]);
    expect(stored().slice(1)).toEqual([
      [3, 2, "22"],
      [4, 3, "33"],
    ]);
  });

  test("is the first of a series whose venue lists no bar at all: it begins behind it", async () => {
    const { venue, keeper, stored, told } = world();
    for (const minute of [0.5, 1, 2]) await keeper.keep([at(venue, minute, "10")]);
    expect(stored()).toEqual([[1, 1, "10"]]);
    expect(told).toEqual([]);
  });

  test("does not open the head again: a trade of the head that is seen first is no late one", async () => {
    const { venue, keeper, told } = world(HEAD);
    await keeper.keep([at(venue, 0.9, "9")]);
    expect(told).toEqual([]);
  });
});

describe("trades that are missing before a trade", () => {
  const BEGUN = { headN: 1, headOpenAtMs: 0, lastTradeId: "2" };

  test("and that the venue does not list any more are made good by its bars, the candle is not taken for whole", async () => {
    const { venue, keeper, stored } = world(BEGUN);
    for (const minute of [0, 0.5, 1, 1.5]) at(venue, minute, "10");
    const seen = at(venue, 1.9, "19");
    venue.trades_ = venue.trades_.slice(3);
    venue.bar(0, "1");
    venue.bar(1, "11");
    await keeper.keep([seen, at(venue, 2, "20")]);
    expect(stored()).toEqual([[2, 1, "11"]]);
  });

  test("and are too many to ask for are made good by the venue's bars, each candle between them", async () => {
    const { venue, keeper, stored } = world(BEGUN);
    for (const minute of [0, 0.5]) at(venue, minute, "10");
    await keeper.keep([at(venue, 1, "10")]);
    for (const minute of [0, 1, 2, 3]) venue.bar(minute, `${minute}.5`);
    const far = { ...at(venue, 3.5, "35"), tradeId: "90000" };
    await keeper.keep([far, { ...at(venue, 4, "40"), tradeId: "90001" }]);
    expect(stored()).toEqual([
      [2, 1, "1.5"],
      [3, 2, "2.5"],
      [4, 3, "3.5"],
    ]);
  });

  test("are waited for where the venue's list does not have the newest yet, whatever it gives instead", async () => {
    const { venue, clock, keeper, stored } = world(BEGUN);
    for (const minute of [0, 0.5]) at(venue, minute, "10");
    await keeper.keep([at(venue, 1, "10")]);
    const all = [at(venue, 1.2, "12"), at(venue, 1.4, "14"), at(venue, 2, "20")];
    venue.trades = async () => venue.trades_.slice(0, 2);
    await keeper.keep(all.slice(1));
    Reflect.deleteProperty(venue, "trades");
    await clock.advance(250);
    await keeper.closeByClock(spx.id);
    expect(stored()).toEqual([[2, 1, "14"]]);
  });

  test("are asked for with pauses while the venue does not answer", async () => {
    const { venue, clock, keeper, stored } = world(BEGUN);
    for (const minute of [0, 0.5, 1]) at(venue, minute, "10");
    venue.failures = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 100; n += 1) await keeper.keep([at(venue, 1.1 + n / 1_000, "11")]).catch(() => undefined);
    expect(venue.asked).toBe(1);
    at(venue, 2, "20");
    venue.failures = 0;
    await clock.advance(5_000);
    await keeper.closeByClock(spx.id);
    expect(stored()).toEqual([[2, 1, "11"]]);
  });
});

test("ids that begin anew while the venue is asked for lost trades are noticed, although that pauses", async () => {
  const { venue, keeper, told } = world({ headN: 1, headOpenAtMs: 0, lastTradeId: "900" });
  // A trade behind a hole, of which the venue lists nothing: it is asked for again after a pause.
  await keeper.keep([{ ...at(venue, 1, "10"), tradeId: "905" }]);
  venue.trades_ = [];
  await keeper.keep([at(venue, 5, "50")]);
  expect(told).toEqual(["TRADE_IDS_BEGAN_ANEW"]);
});

describe("ids that have begun anew while no one was there", () => {
  const BEGUN = { headN: 1, headOpenAtMs: 0, lastTradeId: "900" };

  test("are noticed by the head's time: the series goes on as a candle of the venue's bars", async () => {
    const { venue, keeper, stored, told } = world(BEGUN);
    venue.bar(0, "1");
    venue.bar(5, "55");
    await keeper.keep([at(venue, 5.5, "50")]);
    await keeper.keep([at(venue, 6, "60")]);
    await keeper.keep([at(venue, 7, "70")]);
    expect(told).toEqual(["TRADE_IDS_BEGAN_ANEW"]);
    expect(stored()).toEqual([
      [2, 5, "55"],
      [3, 6, "60"],
    ]);
  });

  test("and have grown beyond the last one are noticed too: the trades between are no hole of the old ones", async () => {
    const { venue, keeper, stored, told } = world({ ...BEGUN, lastTradeId: "2" });
    venue.bar(0, "1");
    venue.bar(5, "55");
    for (const minute of [5.1, 5.2, 5.3]) at(venue, minute, "50");
    await keeper.keep([at(venue, 5.5, "50")]);
    await keeper.keep([at(venue, 6, "60")]);
    expect(told).toEqual(["TRADE_IDS_BEGAN_ANEW"]);
    expect(stored()).toEqual([[2, 5, "55"]]);
  });
});

test("ids that begin anew and soon grow beyond the last one are noticed before they do", async () => {
  const { venue, keeper, stored, told } = world({ headN: 1, headOpenAtMs: 0, lastTradeId: null });
  venue.bar(0, "1");
  for (let n = 0; n < 5; n += 1) await keeper.keep([at(venue, 1.5 + n / 60, "10")]);
  venue.trades_ = [];
  venue.bar(1, "11");
  for (let n = 0; n < 9; n += 1) await keeper.keep([at(venue, 1.65 + n / 60, "20")]);
  for (const minute of [2, 3]) await keeper.keep([at(venue, minute, "30")]);
  expect(told).toEqual(["TRADE_IDS_BEGAN_ANEW"]);
  expect(stored()).toEqual([
    [2, 1, "11"],
    [3, 2, "30"],
  ]);
});

test("trades that are missing before a forming candle of bars are asked for with pauses too", async () => {
  const { venue, keeper } = world({ source: "bars", forming: true });
  await keeper.keep([at(venue, 1, "10")]);
  at(venue, 1.1, "11");
  venue.failures = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 100; n += 1) await keeper.keep([at(venue, 1.2 + n / 1_000, "12")]).catch(() => undefined);
  expect(venue.asked).toBe(1);
});

test("a candle that another process has stored meanwhile is not stored again, and the series goes on", async () => {
  const { venue, clock, keeper, stored, store } = world({ headN: 1, headOpenAtMs: 0, lastTradeId: "1" });
  at(venue, 0, "1");
  const seen = at(venue, 1, "10");
  await keeper.keep([seen]);
  const [before] = await store.seriesOfInstrument(spx.id);
  const other: Candle = { ...venue.bar(1, "11"), source: "trades", n: 2, closed: true };
  await store.extend(before as Series, { behind: [other], lastTradeId: "2" });
  await clock.advance(1_000);
  await keeper.keep([seen]);
  await keeper.keep([at(venue, 2, "20")]);
  await keeper.keep([at(venue, 3, "30")]);
  expect(stored()).toEqual([
    [2, 1, "11"],
    [3, 2, "20"],
  ]);
});
