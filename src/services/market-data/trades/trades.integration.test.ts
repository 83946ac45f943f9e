import { describe, expect, test } from "bun:test";
import { listen, MINUTE_MS, showTrades } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";

const at = replicasOfEachTest();

const pricesOf = ({ n, openAtMs, open, high, low, close, volume }: Candle) => ({
  n,
  minute: openAtMs / MINUTE_MS,
  prices: [open, high, low, close],
  volume,
});

/** The codes of the alerts that are open. */
async function alerts(): Promise<string[]> {
  const rows = await at.database.db.sql<{ code: string }[]>`select code from alerts.open order by code`;
  return rows.map(({ code }) => code);
}

describe("a series from trades", () => {
  test("asks for the trades, begins with history, and makes candles of whole minutes", async () => {
    at.venue.bar(0, "10");
    const { bus, ensure, candles } = await at.start();
    expect(await ensure({ source: "trades", history: 5 })).toMatchObject({ headN: 1 });
    expect(at.venue.followed).toContain("trades");
    // Joined half-way through minute 1: the venue's bar of it is the candle.
    await showTrades(bus, at.venue.trade(1.5 * MINUTE_MS, "11"));
    at.venue.bar(1, "11.75");
    await showTrades(bus, at.venue.trade(2 * MINUTE_MS, "12"), at.venue.trade(2.5 * MINUTE_MS, "9"));
    await showTrades(bus, at.venue.trade(2.9 * MINUTE_MS, "10"), at.venue.trade(7 * MINUTE_MS, "8"));
    await until(async () => (await candles("fromN=3")).length === 1);
    expect((await candles("fromN=2")).map(pricesOf)).toEqual([
      { n: 2, minute: 1, prices: ["10", "12.5", "9.5", "11.75"], volume: "3.25" },
      { n: 3, minute: 2, prices: ["12", "12", "9", "10"], volume: "1.5" },
    ]);
  });

  test("goes on after a crash from the last stored trade, with the lost ones from the venue", async () => {
    const first = await at.start();
    await first.ensure({ source: "trades" });
    await showTrades(
      first.bus,
      at.venue.trade(0, "10"),
      at.venue.trade(MINUTE_MS, "11"),
      at.venue.trade(2 * MINUTE_MS, "12"),
    );
    await until(async () => (await first.candles("fromN=1")).length === 1);
    await first.stop();
    at.venue.trade(2.2 * MINUTE_MS, "15");
    at.venue.trade(3 * MINUTE_MS, "7");
    const second = await at.start();
    await showTrades(second.bus, at.venue.trade(4 * MINUTE_MS, "6"));
    await until(async () => (await second.candles("fromN=1")).length === 3, 10_000);
    expect((await second.candles("fromN=1")).map(pricesOf)).toEqual([
      { n: 1, minute: 1, prices: ["11", "11", "11", "11"], volume: "0.5" },
      { n: 2, minute: 2, prices: ["12", "15", "12", "15"], volume: "1" },
      { n: 3, minute: 3, prices: ["7", "7", "7", "7"], volume: "0.5" },
    ]);
  }, 20_000);

  test("closes a hole in the ids before it goes on, and takes no trade twice", async () => {
    const { bus, ensure, candles } = await at.start();
    await ensure({ source: "trades" });
    const opening = at.venue.trade(0, "10");
    const first = at.venue.trade(MINUTE_MS, "11");
    await showTrades(bus, opening, first);
    at.venue.trade(1.1 * MINUTE_MS, "20");
    at.venue.trade(1.2 * MINUTE_MS, "5");
    const last = at.venue.trade(2 * MINUTE_MS, "12");
    await showTrades(bus, last, first, last);
    await until(async () => (await candles("fromN=1")).length === 1);
    expect((await candles("fromN=1")).map(pricesOf)).toEqual([
      { n: 1, minute: 1, prices: ["11", "20", "5", "5"], volume: "1.5" },
    ]);
  });

  test("a live candle is closed by the clock, after the venue was asked for a trade that got lost", async () => {
    const { bus, ensure, ask } = await at.start();
    const heard = await listen(bus);
    await ensure({ source: "trades", timeFrame: "1s" });
    const second = Math.floor(Date.now() / 1_000) * 1_000;
    const opening = at.venue.trade(second - 1_000, "9", second - 1_000);
    const live = at.venue.trade(second, "10", second);
    // Nobody shows this one.
    at.venue.trade(second + 1, "13");
    await showTrades(bus, opening, live);
    await until(() => heard.some(({ closed }) => closed));
    expect(heard.find(({ closed }) => closed)).toMatchObject({ n: 1, openAtMs: second, high: "13", volume: "1" });
    expect((await ask("/series")).status).toBe(200);
  });

  test("a trade that comes after the clock has closed its candle does not stop the series: it is told of, and in no candle", async () => {
    const { bus, ensure } = await at.start({ R3_MARKET_DATA_LATE_TRADES_MS: "300" });
    await ensure({ source: "trades", timeFrame: "1s" });
    const second = Math.floor(Date.now() / 1_000) * 1_000;
    await showTrades(bus, at.venue.trade(second - 1_000, "9", second - 1_000), at.venue.trade(second, "10", second));
    const stored = () => at.database.db.sql<{ n: number; open_at_ms: number; close: string; volume: string }[]>`
      select n, open_at_ms, close, volume from market_data.candles where time_frame = '1s' order by n`;
    await until(async () => (await stored()).length === 1);
    await showTrades(bus, at.venue.trade(second + 900, "99", Date.now()));
    const next = Math.floor(Date.now() / 1_000) * 1_000 + 1_000;
    await showTrades(bus, at.venue.trade(next, "11", next), at.venue.trade(next + 1_000, "12", next + 1_000));
    await until(async () => (await stored()).length >= 2);
    expect((await stored()).slice(0, 2).map((row) => [row.n, row.open_at_ms, row.close, row.volume])).toEqual([
      [1, second, "10", "0.5"],
      [2, next, "11", "0.5"],
    ]);
    await until(async () => (await alerts()).length > 0);
    expect(await alerts()).toEqual(["LATE_TRADES"]);
  });

  test("trades whose ids begin anew go on as a candle of the venue's bars", async () => {
    const { bus, ensure, candles } = await at.start();
    await ensure({ source: "trades" });
    for (let count = 0; count < 5; count += 1) at.venue.trade(0, "10");
    await showTrades(bus, at.venue.trade(0, "10"), at.venue.trade(MINUTE_MS, "11"));
    at.venue.trades_ = [];
    at.venue.bar(1, "11");
    await showTrades(bus, at.venue.trade(2 * MINUTE_MS, "12"));
    at.venue.bar(2, "12.5");
    await showTrades(bus, at.venue.trade(3 * MINUTE_MS, "13"), at.venue.trade(4 * MINUTE_MS, "14"));
    await until(async () => (await candles("fromN=1")).length === 3);
    expect((await candles("fromN=1")).map(({ openAtMs, close }) => [openAtMs / MINUTE_MS, close])).toEqual([
      [1, "11"],
      [2, "12.5"],
      [3, "13"],
    ]);
    expect(await alerts()).toEqual(["TRADE_IDS_BEGAN_ANEW"]);
  });
});

describe("forming candles", () => {
  test("of bars are published with each trade and the number they will have; nothing is stored for them", async () => {
    at.venue.bar(0, "10");
    const { bus, ensure, candles } = await at.start();
    await ensure({ forming: true });
    const heard = await listen(bus);
    const formed = (): Candle[] => heard.filter(({ closed }) => !closed);
    await showTrades(bus, at.venue.trade(MINUTE_MS, "11", 77.25));
    await until(() => formed().length === 1);
    await showTrades(bus, at.venue.trade(1.5 * MINUTE_MS, "13"));
    await until(() => formed().length === 2);
    await showTrades(bus, at.venue.trade(2 * MINUTE_MS, "14"));
    await until(() => formed().length === 3);
    expect(formed()).toMatchObject([
      { n: 2, openAtMs: MINUTE_MS, close: "11", tradedAtMs: MINUTE_MS, receivedAtMs: 77.25 },
      { n: 2, openAtMs: MINUTE_MS, open: "11", high: "13", close: "13", volume: "1", tradedAtMs: 1.5 * MINUTE_MS },
      // Minute 1 is not closed yet, so minute 2 will have the number behind it.
      { n: 3, openAtMs: 2 * MINUTE_MS, open: "14", volume: "0.5" },
    ]);
    expect(await candles("fromN=2")).toEqual([]);
  });

  test("of trades carry the next number behind the stored head", async () => {
    const { bus, ensure } = await at.start();
    await ensure({ source: "trades", forming: true });
    const heard = await listen(bus);
    await showTrades(bus, at.venue.trade(0, "10"));
    await showTrades(bus, at.venue.trade(MINUTE_MS, "11"));
    await showTrades(bus, at.venue.trade(2 * MINUTE_MS, "12"));
    const last = () => heard.filter(({ closed }) => !closed).at(-1);
    await until(() => last()?.openAtMs === 2 * MINUTE_MS);
    expect(last()).toMatchObject({ n: 2, open: "12" });
    expect(heard.filter(({ closed }) => closed)[0]).toMatchObject({ n: 1, open: "11" });
  });
});
