import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import ccxt from "ccxt";
import { release, releaseBars, state, tick } from "#services/paper-exchange/control.fixture.ts";
import {
  KEYS,
  marketSettings,
  startVenue,
  type TestVenue,
  tickerSettings,
} from "#services/paper-exchange/venue.fixture.ts";

const SYMBOL = "SPX/USD";

/** ccxt's own Binance connector with its URLs changed, and nothing else but which markets it loads. */
function connect(url: string, keys = KEYS) {
  const exchange = new ccxt.pro.binance({
    ...keys,
    enableRateLimit: false,
    options: { fetchMarkets: { types: ["spot"] }, fetchCurrencies: false, fetchMargins: false },
  });
  const ws = url.replace("http:", "ws:");
  Object.assign(exchange.urls, {
    api: {
      ...(exchange.urls["api"] as object),
      public: `${url}/api/v3`,
      private: `${url}/api/v3`,
      ws: { spot: `${ws}/ws`, "ws-api": { spot: `${ws}/ws-api/v3` } },
    },
  });
  return exchange;
}

/** Resolves once the venue has acknowledged so many more subscriptions. */
function acknowledgements(exchange: ReturnType<typeof connect>, wanted: number): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    Object.assign(exchange, {
      handleSubscriptionStatus(_client: unknown, message: unknown) {
        count += 1;
        if (count === wanted) resolve();
        return message;
      },
    });
  });
}

/** The message a promise fails with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "did not fail",
    (error: unknown) => String(error),
  );
}

let venue: TestVenue;
let exchange: ReturnType<typeof connect>;
let url: string;

beforeAll(async () => {
  venue = await startVenue({ markets: (bars) => [marketSettings(bars), tickerSettings()] });
  url = venue.url();
  exchange = connect(url);
  await exchange.loadHttpProxyAgent();
  await exchange.loadMarkets();
});

afterAll(async () => {
  await exchange.close();
  await venue.stop();
});

describe("ccxt on the simulated venue", () => {
  test("loads the one market with its rules", () => {
    expect(Object.keys(exchange.markets ?? {})).toEqual([SYMBOL]);
    expect(exchange.market(SYMBOL)).toMatchObject({
      id: "SPXUSD",
      active: true,
      spot: true,
      precision: { amount: 0.0001, price: 0.000001 },
      limits: { amount: { min: 0.0001 }, cost: { min: 10 } },
    });
  });

  test("sees wall time as the server's clock", async () => {
    const before = Date.now();
    const time = await exchange.fetchTime();
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  test("sees no bar before one is closed, then the closed ones alone", async () => {
    expect(await exchange.fetchOHLCV(SYMBOL, "1d")).toEqual([]);
    await releaseBars(url, 2);
    expect(await exchange.fetchOHLCV(SYMBOL, "1d")).toEqual([
      [Date.UTC(2000, 0, 1), 100, 103.5, 98.25, 101.125, 1_000_003],
      [Date.UTC(2000, 0, 2), 101, 104.5, 99.25, 102.125, 1_000_003],
    ]);
    expect(await exchange.fetchOHLCV(SYMBOL, "1d", Date.UTC(2000, 0, 2))).toHaveLength(1);
    expect(await exchange.fetchOHLCV(SYMBOL, "1d", undefined, 1)).toHaveLength(1);
    const trades = await exchange.fetchTrades(SYMBOL, undefined, 1_000);
    expect(trades.map(({ id, price }) => [id, price])).toEqual([
      ["1", 100],
      ["2", 98.25],
      ["3", 103.5],
      ["4", 101.125],
      ["5", 101],
      ["6", 99.25],
      ["7", 104.5],
      ["8", 102.125],
    ]);
  });

  test("places a market order, which fills at the next open; balances and fills follow exactly", async () => {
    await exchange.authenticate({ type: "spot" });
    const orders = exchange.watchOrders(SYMBOL);
    const created = await exchange.createOrder(SYMBOL, "market", "buy", 10, undefined, {
      newClientOrderId: "demo0000-1",
    });
    expect(created).toMatchObject({ status: "open", filled: 0, clientOrderId: "demo0000-1" });
    expect((await orders)[0]).toMatchObject({ clientOrderId: "demo0000-1", status: "open" });
    const fills = exchange.watchMyTrades(SYMBOL);
    const filled = exchange.watchOrders(SYMBOL);
    const now = await state(url);
    const after = await release(url, now.step);
    expect(after.state).toMatchObject({ bar: 2, phase: "open", halted: true, fillCount: 1, openOrders: [] });
    expect((await filled)[0]).toMatchObject({ status: "closed", filled: 10, cost: 1_020 });
    expect((await fills)[0]).toMatchObject({
      id: "1",
      price: 102,
      amount: 10,
      takerOrMaker: "taker",
      fee: { cost: 0.01, currency: "SPX" },
      timestamp: Date.UTC(2000, 0, 3),
    });
    expect(await exchange.fetchOrder(String(created.id), SYMBOL)).toMatchObject({
      status: "closed",
      average: 102,
      cost: 1_020,
    });
    const byClientId = await exchange.fetchOrder("", SYMBOL, { origClientOrderId: "demo0000-1" });
    expect(byClientId.id).toBe(created.id);
    expect(await exchange.fetchMyTrades(SYMBOL, undefined, undefined, { fromId: 1 })).toMatchObject([
      { id: "1", order: created.id, fee: { cost: 0.01, currency: "SPX" }, cost: 1_020 },
    ]);
    expect(await exchange.fetchMyTrades(SYMBOL, undefined, undefined, { fromId: 2 })).toEqual([]);
    expect(await exchange.fetchBalance()).toMatchObject({ SPX: { free: 9.99 }, USD: { free: 8_980 } });
  });

  test("a limit order rests, locks what it needs, and is canceled", async () => {
    const order = await exchange.createOrder(SYMBOL, "limit", "buy", 2, 50);
    expect(await exchange.fetchBalance()).toMatchObject({ USD: { free: 8_880, used: 100, total: 8_980 } });
    expect(await exchange.fetchOpenOrders(SYMBOL)).toMatchObject([{ id: order.id, price: 50, amount: 2 }]);
    const events = exchange.watchOrders(SYMBOL);
    expect(await exchange.cancelOrder(String(order.id), SYMBOL)).toMatchObject({ id: order.id, status: "canceled" });
    expect((await events)[0]).toMatchObject({ status: "canceled", clientOrderId: order.clientOrderId });
    expect(await exchange.fetchBalance()).toMatchObject({ USD: { free: 8_980, used: 0 } });
    expect(await failureOf(exchange.cancelOrder(String(order.id), SYMBOL))).toContain("Unknown order sent");
  });

  test("a limit order that prices reach later fills at its limit, as maker", async () => {
    const order = await exchange.createOrder(SYMBOL, "limit", "sell", 1, 104);
    const now = await state(url);
    const { state: after } = await release(url, now.step);
    expect(after).toMatchObject({ bar: 2, phase: "high", fillCount: 2 });
    expect(after.fills.at(-1)).toMatchObject({
      orderId: Number(order.id),
      price: "104",
      quote: "104",
      fee: "0.052",
      feeAsset: "USD",
      maker: true,
    });
  });

  test("watches trades and the closed bar", async () => {
    const subscribed = acknowledgements(exchange, 2);
    const trades = exchange.watchTrades(SYMBOL);
    const bars = exchange.watchOHLCV(SYMBOL, "1d");
    await subscribed;
    const now = await state(url);
    const { state: after } = await release(url, now.step);
    expect(after).toMatchObject({ bar: 3, phase: "bar-closed" });
    expect((await trades)[0]).toMatchObject({ id: "12", price: 103.125, timestamp: Date.UTC(2000, 0, 4) });
    expect(await bars).toEqual([[Date.UTC(2000, 0, 3), 102, 105.5, 100.25, 103.125, 1_000_003]]);
  });

  test("a ticker market fills a market order at once at its last price, at wall time, and says so in its answer", async () => {
    const ticker = connect(venue.url("ticker"));
    await ticker.loadMarkets();
    await tick(venue.url("ticker"), "10.5");
    const order = await ticker.createOrder(SYMBOL, "market", "buy", 2);
    expect(order).toMatchObject({ status: "closed", average: 10.5, filled: 2 });
    expect(order.trades).toMatchObject([{ id: "1", price: 10.5, amount: 2, fee: { cost: 0.002, currency: "SPX" } }]);
    const resting = await ticker.createOrder(SYMBOL, "limit", "buy", 1, 10.25);
    expect(resting).toMatchObject({ status: "open", filled: 0, trades: [] });
    const shown = await tick(venue.url("ticker"), "10");
    expect(shown.id).toBe(2);
    expect(await ticker.fetchOrder(String(resting.id), SYMBOL)).toMatchObject({ status: "closed", average: 10.25 });
    const fills = await ticker.fetchMyTrades(SYMBOL);
    expect(fills.map(({ price, takerOrMaker }) => ({ price, takerOrMaker }))).toEqual([
      { price: 10.5, takerOrMaker: "taker" },
      { price: 10.25, takerOrMaker: "maker" },
    ]);
    expect(Math.abs((fills[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(await ticker.fetchOHLCV(SYMBOL, "1d")).toEqual([]);
    await ticker.close();
  });
});
