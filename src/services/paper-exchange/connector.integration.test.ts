import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { createCcxtExchanges } from "#shared/exchange/ccxt.ts";
import type {
  AccountEvent,
  Exchanges,
  PlaceRequest,
  VenueAccount,
  VenueMarketData,
} from "#shared/exchange/exchange.ts";
import { release, releaseBars, state, tick } from "./control.fixture.ts";
import { KEYS, marketSettings, startVenue, type TestVenue, tickerSettings } from "./venue.fixture.ts";

/** The engine's own connector on the simulated venue. */

let venue: TestVenue;
let exchanges: Exchanges;
let market: VenueMarketData;
let account: VenueAccount;
let instrument: Instrument;
let url: string;

function orderOf(more: Partial<PlaceRequest> = {}): PlaceRequest {
  return {
    instrument,
    clientOrderId: "demo0000-1",
    side: "BUY",
    style: { type: "MARKET" },
    size: "10",
    signedAtMs: Date.now(),
    recvWindowMs: 5_000,
    ...more,
  };
}

beforeAll(async () => {
  venue = await startVenue({ markets: (bars) => [marketSettings(bars), tickerSettings()] });
  url = venue.url();
  exchanges = createCcxtExchanges({
    venues: [
      { id: "paper", connector: "binance", restUrl: url },
      { id: "ticker", connector: "binance", restUrl: venue.url("ticker") },
    ],
    accounts: [{ id: "demo", venue: "paper", ...KEYS }],
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
  market = exchanges.marketData("paper");
  account = exchanges.account("demo");
  const [only] = await market.instruments();
  if (only === undefined) throw new Error("The venue has no instrument.");
  instrument = only;
});

afterAll(async () => {
  await exchanges.close();
  await venue.stop();
});

describe("the connector on the simulated venue", () => {
  test("knows the instrument to the last digit, and that nothing here is live", () => {
    expect(instrument).toEqual({
      id: "SPX/USD.paper",
      symbol: "SPX/USD",
      venue: "paper",
      venueSymbol: "SPXUSD",
      base: "SPX",
      quote: "USD",
      priceStep: "0.000001",
      sizeStep: "0.0001",
      minSize: "0.0001",
      maxSize: "9000000000",
      marketSizeStep: null,
      marketMinSize: "0",
      marketMaxSize: null,
      minNotional: "10",
      minNotionalAppliesToMarket: true,
      maxNotional: "9000000000",
      maxNotionalAppliesToMarket: true,
      priceBand: null,
      maxOpenOrders: null,
      makerFee: expect.any(String),
      takerFee: "0.001",
      feeDecimals: 8,
      status: "TRADING",
      marketEnded: false,
      timeFrames: ["1d"],
    });
    expect(exchanges.live).toBe(false);
  });

  test("follows closed bars and trades, and reads the same bars by REST, linked", async () => {
    const stop = new AbortController();
    const bars: VenueBar[] = [];
    const trades: VenueTrade[] = [];
    let connected = 0;
    const follow = { instrument, signal: stop.signal, onAlive: () => undefined, onConnected: () => (connected += 1) };
    const ends = [
      market.followBars({ ...follow, timeFrame: "1d", onBar: (bar) => bars.push(bar) }),
      market.followTrades({ ...follow, onTrades: (more) => trades.push(...more) }),
    ];
    await until(() => connected === 2);
    await releaseBars(url, 3);
    await until(() => bars.length === 3 && trades.length === 12);
    const told = await market.bars({ instrument, timeFrame: "1d", limit: 10 });
    expect(told.map(({ prevOpenAtMs }) => prevOpenAtMs)).toEqual([null, Date.UTC(2000, 0, 1), Date.UTC(2000, 0, 2)]);
    const pricesOf = (bar: VenueBar) => ({ ...bar, prevOpenAtMs: null, receivedAtMs: 0 });
    expect(bars.map(pricesOf)).toEqual(told.map(pricesOf));
    expect(bars[0]).toMatchObject({ open: "100", high: "103.5", low: "98.25", close: "101.125", volume: "1000003" });
    const later = await market.bars({ instrument, timeFrame: "1d", fromMs: Date.UTC(2000, 0, 2), limit: 1 });
    expect(later).toMatchObject([{ openAtMs: Date.UTC(2000, 0, 2), prevOpenAtMs: Date.UTC(2000, 0, 1) }]);
    const earlier = await market.bars({ instrument, timeFrame: "1d", toMs: Date.UTC(2000, 0, 3), limit: 1 });
    expect(earlier).toEqual([{ ...(told[1] as VenueBar), receivedAtMs: expect.any(Number) }]);
    expect(await market.bars({ instrument, timeFrame: "1d", limit: 1 })).toMatchObject([
      { openAtMs: Date.UTC(2000, 0, 3), prevOpenAtMs: Date.UTC(2000, 0, 2) },
    ]);
    expect(trades.map(({ tradeId }) => tradeId).slice(0, 2)).toEqual(["1", "2"]);
    const again = await market.trades({ instrument, fromId: "11", limit: 5 });
    expect(again.map(({ tradeId, price }) => [tradeId, price])).toEqual([
      ["11", "105.5"],
      ["12", "103.125"],
    ]);
    stop.abort();
    await Promise.all(ends);
  });

  test("places a market order and follows it to its fill", async () => {
    const stop = new AbortController();
    const events: AccountEvent[] = [];
    let isConnected = false;
    let sent = 0;
    const end = account.follow({
      signal: stop.signal,
      onEvent: (event) => events.push(event),
      onConnected: () => {
        isConnected = true;
      },
    });
    await until(() => isConnected);
    const placed = await account.place(orderOf({ onSent: () => (sent += 1) }));
    expect(placed).toMatchObject({
      kind: "accepted",
      order: { clientOrderId: "demo0000-1", status: "NEW" },
      fills: [],
    });
    expect(sent).toBe(1);
    expect(await account.openOrders(instrument)).toMatchObject([{ clientOrderId: "demo0000-1", filledSize: "0" }]);
    await release(url, (await state(url)).step);
    const fill = { tradeId: "1", price: "103", size: "10", fee: "0.01", feeAsset: "SPX", maker: false, side: "BUY" };
    await until(() => events.some((event) => event.kind === "order" && event.fill !== undefined));
    expect(events.filter((event) => event.kind === "order").at(-1)).toMatchObject({
      order: { status: "FILLED", filledSize: "10", atMs: Date.UTC(2000, 0, 4) },
      fill,
    });
    expect((await account.fills({ instrument, limit: 10 })).fills).toMatchObject([fill]);
    expect((await account.fills({ instrument, fromId: "2", limit: 10 })).fills).toEqual([]);
    expect(await account.order({ instrument, clientOrderId: "demo0000-1" })).toMatchObject({ status: "FILLED" });
    expect(await account.order({ instrument, clientOrderId: "nobody-1" })).toBeNull();
    expect(await account.balances()).toContainEqual({ asset: "SPX", free: "9.99", locked: "0" });
    stop.abort();
    await end;
  });

  test("tells a refusal, a window that passed and a size off the step apart", async () => {
    expect(await account.place(orderOf({ clientOrderId: "demo0000-2", size: "1000000" }))).toMatchObject({
      kind: "rejected",
      code: "-2010",
    });
    const late = orderOf({ clientOrderId: "demo0000-3", signedAtMs: Date.now() - 60_000 });
    expect(await account.place(late)).toEqual({ kind: "window-passed" });
    let sent = 0;
    const offStep = orderOf({ clientOrderId: "demo0000-4", size: "1.00005", onSent: () => (sent += 1) });
    expect(await account.place(offStep)).toMatchObject({ kind: "rejected", code: "SIZE_NOT_ON_STEP" });
    expect(sent).toBe(0);
  });

  test("a second send of an open order is no refusal: the answer is lost, the order is there", async () => {
    const resting = orderOf({
      clientOrderId: "demo0000-5",
      size: "1",
      style: { type: "LIMIT", price: "50", timeInForce: "GTC" },
    });
    expect(await account.place(resting)).toMatchObject({ kind: "accepted" });
    const lost = await account.place(resting).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: "VENUE_ANSWER_LOST", kind: "transient" });
    const query = { instrument, clientOrderId: "demo0000-5" };
    expect(await account.cancel(query)).toMatchObject({ kind: "canceled", order: { status: "CANCELED" } });
    expect(await account.cancel(query)).toEqual({ kind: "not-open" });
  });

  test("follows the trades of a ticker market", async () => {
    const stop = new AbortController();
    const trades: VenueTrade[] = [];
    let connected = 0;
    const ticker = exchanges.marketData("ticker");
    const [listed] = await ticker.instruments();
    if (listed === undefined) throw new Error("The ticker has no instrument.");
    const end = ticker.followTrades({
      instrument: listed,
      signal: stop.signal,
      onTrades: (more) => trades.push(...more),
      onConnected: () => (connected += 1),
    });
    await until(() => connected === 1);
    await tick(venue.url("ticker"), "10.5");
    await until(() => trades.length === 1);
    expect(trades[0]).toMatchObject({ instrumentId: "SPX/USD.ticker", tradeId: "1", price: "10.5" });
    stop.abort();
    await end;
  });
});

describe.each([
  ["ahead", 5_000],
  ["behind", -20_000],
])("a host whose clock is %s of the venue's", (_name, offMs) => {
  const host = (offNowMs: () => number) =>
    createCcxtExchanges({
      venues: [{ id: "paper", connector: "binance", restUrl: url }],
      accounts: [{ id: "demo", venue: "paper", ...KEYS }],
      clock: { ...systemClock, nowMs: () => systemClock.nowMs() + offNowMs() },
      log: pino({ level: "silent" }),
    });

  test("asks, cancels and follows its account all the same", async () => {
    const off = host(() => offMs);
    const demo = off.account("demo");
    const stop = new AbortController();
    const events: AccountEvent[] = [];
    let connected = 0;
    const end = demo.follow({
      signal: stop.signal,
      onEvent: (event) => events.push(event),
      onConnected: () => (connected += 1),
    });
    try {
      await until(() => connected === 1);
      const clientOrderId = `clock${offMs}`.replace("-", "m");
      const style = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;
      const query = { instrument, clientOrderId };
      expect(await demo.place(orderOf({ clientOrderId, size: "1", style }))).toMatchObject({ kind: "accepted" });
      expect(await demo.order(query)).toMatchObject({ status: "NEW" });
      expect(await demo.openOrders(instrument)).toMatchObject([{ clientOrderId }]);
      expect(await demo.cancel(query)).toMatchObject({ kind: "canceled" });
      expect(await demo.balances()).toContainEqual({ asset: "SPX", free: "9.99", locked: "0" });
      await until(() => events.some((event) => event.kind === "order" && event.order.status === "CANCELED"));
    } finally {
      stop.abort();
      await end;
      await off.close();
    }
  });

  test("finds its way back when the clock steps while it runs", async () => {
    let stepMs = 0;
    const off = host(() => stepMs);
    const demo = off.account("demo");
    expect(await demo.balances()).not.toEqual([]);
    stepMs = offMs;
    expect(await demo.balances()).not.toEqual([]);
    // An order's own window is committed: it is never moved.
    const late = orderOf({ clientOrderId: "demo0000-9", signedAtMs: Date.now() - 60_000 });
    expect(await demo.place(late)).toEqual({ kind: "window-passed" });
    await off.close();
  });
});
