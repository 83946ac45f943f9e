import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { release, state } from "#services/paper-exchange/control.fixture.ts";
import { client, listenTo, signedParams } from "#services/paper-exchange/rest.fixture.ts";
import {
  KEYS,
  marketSettings,
  startVenue,
  type TestVenue,
  tickerSettings,
} from "#services/paper-exchange/venue.fixture.ts";

let venue: TestVenue;
let url: string;
let call: ReturnType<typeof client>;
const MARKET = { symbol: "SPXUSD", side: "BUY", type: "MARKET", quantity: "1" };
const LIMIT = { symbol: "SPXUSD", side: "BUY", type: "LIMIT", timeInForce: "GTC", quantity: "1", price: "50" };

beforeAll(async () => {
  venue = await startVenue({ markets: (bars) => [marketSettings(bars), tickerSettings()] });
  url = venue.url();
  call = client(url);
});
afterAll(async () => await venue.stop());

describe("what the venue refuses, with Binance's code and status", () => {
  const without = (name: keyof typeof LIMIT) =>
    Object.fromEntries(Object.entries(LIMIT).filter(([given]) => given !== name));
  test.each<[string, string, Record<string, string>, number, number]>([
    ["another symbol", "POST order", { ...MARKET, symbol: "BTCUSDT" }, 400, -1121],
    ["no symbol", "POST order", without("symbol"), 400, -1102],
    ["no side", "POST order", without("side"), 400, -1102],
    ["another side", "POST order", { ...MARKET, side: "HOLD" }, 400, -1117],
    ["no type", "POST order", without("type"), 400, -1102],
    ["a type it does not have", "POST order", { ...MARKET, type: "STOP_LOSS" }, 400, -1116],
    ["no quantity", "POST order", without("quantity"), 400, -1102],
    ["a quantity that is none", "POST order", { ...MARKET, quantity: "1e3" }, 400, -1100],
    ["a limit without a price", "POST order", without("price"), 400, -1102],
    ["a limit without time in force", "POST order", without("timeInForce"), 400, -1102],
    ["an unknown time in force", "POST order", { ...LIMIT, timeInForce: "GTX" }, 400, -1115],
    ["a market order with a price", "POST order", { ...MARKET, price: "5" }, 400, -1106],
    ["a quote quantity", "POST order", { ...MARKET, quoteOrderQty: "5" }, 400, -1106],
    ["a client order id it may not have", "POST order", { ...MARKET, newClientOrderId: "a b" }, 400, -1100],
    ["a client order id of 37", "POST order", { ...MARKET, newClientOrderId: "a".repeat(37) }, 400, -1100],
    ["an unknown response type", "POST order", { ...MARKET, newOrderRespType: "ALL" }, 400, -1100],
    ["a price off its tick", "POST order", { ...LIMIT, price: "50.0000001" }, 400, -1013],
    ["a quantity off its step", "POST order", { ...LIMIT, quantity: "1.00001" }, 400, -1013],
    ["too small a notional", "POST order", { ...LIMIT, quantity: "0.1999" }, 400, -1013],
    ["more than there is", "POST order", { ...LIMIT, quantity: "200.0001" }, 400, -2010],
    ["a query for no order", "GET order", { symbol: "SPXUSD", origClientOrderId: "none" }, 400, -2013],
    ["a query that names none", "GET order", { symbol: "SPXUSD" }, 400, -1102],
    ["a cancel of no order", "DELETE order", { symbol: "SPXUSD", orderId: "999" }, 400, -2011],
    ["a time window that is over", "GET account", { timestamp: String(Date.now() - 5_100) }, 400, -1021],
    ["a time ahead of the server", "GET account", { timestamp: String(Date.now() + 60_000) }, 400, -1021],
    ["an interval it does not have", "GET klines", { symbol: "SPXUSD", interval: "1h" }, 400, -1120],
    ["an interval that is none", "GET klines", { symbol: "SPXUSD", interval: "2d" }, 400, -1120],
    ["an endpoint it does not have", "GET depth", { symbol: "SPXUSD" }, 404, -1000],
  ])("%s", async (_name, endpoint, params, status, code) => {
    const answer = await call(endpoint, params);
    expect([answer.status, answer.body["code"]]).toEqual([status, code]);
    expect(Object.keys(answer.body)).toEqual(["code", "msg"]);
  });

  test("another key (-2015) and another secret (-1022); no order came of all that", async () => {
    const [key, secret] = [
      { ...KEYS, apiKey: "other" },
      { ...KEYS, secret: "other" },
    ];
    expect(await client(url, key)("POST order", MARKET)).toMatchObject({ status: 401, body: { code: -2015 } });
    expect(await client(url, secret)("POST order", MARKET)).toMatchObject({ status: 400, body: { code: -1022 } });
    expect((await state(url)).orderCount).toBe(0);
  });

  test("an unknown market is 404, over REST and WebSocket", async () => {
    expect((await fetch(`${venue.url("none")}/api/v3/time`)).status).toBe(404);
    expect((await fetch(`${venue.url("none")}/control/state`)).status).toBe(404);
    const failed = await listenTo(`${venue.url("none")}/ws`).then(
      () => false,
      () => true,
    );
    expect(failed).toBe(true);
  });
});

describe("a foreign web page", () => {
  const foreign = ["https://evil.example", "http://127.0.0.1:1", "null"];

  test.each(["/ws", "/ws/spxusd@trade", "/ws-api/v3"])("opens no WebSocket here: %s", async (path) => {
    const socket = listenTo(`${url}${path}`, { Origin: new URL(url).origin });
    (await socket).close();
    const refused = [...foreign.map((Origin) => ({ Origin })), { Host: "evil.example" }];
    const opened = await Promise.allSettled(refused.map((headers) => listenTo(`${url}${path}`, headers)));
    expect(opened.map(({ status }) => status)).toEqual(refused.map(() => "rejected"));
  });
});

describe("a name that every object has", () => {
  const NAMES = ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"];

  test.each(NAMES)("is no endpoint that gives away the account's secret: %s", async (name) => {
    const answer = await fetch(`${url}/api/v3/${name}`);
    expect([answer.status, await answer.text()]).toEqual([404, '{"code":-1000,"msg":"This is not served here."}']);
  });

  test.each(NAMES)("is no method of the WebSocket API that gives away the account's secret: %s", async (name) => {
    const socket = await listenTo(`${url}/ws-api/v3`);
    socket.send({ id: 1, method: name });
    const error = { code: -1000, msg: "Unknown method." };
    expect(await socket.next()).toMatchObject({ id: 1, status: 400, error });
    socket.close();
  });

  test.each(NAMES)("is no market: %s", async (name) => {
    expect((await fetch(`${venue.url(name)}/api/v3/time`)).status).toBe(404);
  });
});

describe("what the venue answers", () => {
  test("an order in the form that newOrderRespType asks for", async () => {
    const keysOf = async (newOrderRespType: string) =>
      Object.keys((await call("POST order", { ...LIMIT, newOrderRespType })).body);
    const ack = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"];
    expect(await keysOf("ACK")).toEqual(ack);
    expect(await keysOf("RESULT")).not.toContain("fills");
    expect(await keysOf("FULL")).toContain("fills");
    const canceled = await call("DELETE openOrders", { symbol: "SPXUSD" });
    expect(canceled.body).toHaveLength(3);
    expect((await call("GET openOrders")).body).toHaveLength(0);
  });

  test("a test order changes nothing", async () => {
    const before = await state(url);
    expect((await call("POST order/test", MARKET)).body).toEqual({});
    expect(await state(url)).toEqual(before);
  });

  test("lists of orders page forward from an id and give the newest without one", async () => {
    const ids = async (params: Record<string, string>) => {
      const { body } = await call("GET allOrders", { symbol: "SPXUSD", ...params });
      return (body as unknown as { orderId: number }[]).map(({ orderId }) => orderId);
    };
    expect(await ids({ limit: "2" })).toEqual([2, 3]);
    expect(await ids({ orderId: "1", limit: "2" })).toEqual([1, 2]);
  });

  test("exchangeInfo knows no other symbol", async () => {
    expect(await call("GET exchangeInfo", { symbol: "BTCUSDT" })).toMatchObject({ status: 400, body: { code: -1121 } });
    expect((await call("GET exchangeInfo", { symbol: "SPXUSD" })).body["symbols"]).toHaveLength(1);
  });
});

describe("streams", () => {
  test("send trades and bars as Binance frames them, to who subscribed alone", async () => {
    const socket = await listenTo(`${url}/ws/0`);
    const other = await listenTo(`${url}/ws`);
    other.send({ method: "SUBSCRIBE", params: ["spxusd@kline_1d"], id: 7 });
    expect(await other.next()).toEqual({ result: null, id: 7 });
    socket.send({ method: "SUBSCRIBE", params: ["spxusd@trade", "spxusd@bookTicker"], id: 1 });
    expect(await socket.next()).toEqual({ result: null, id: 1 });
    await release(url, (await state(url)).step);
    const openAtMs = Date.UTC(2000, 0, 1);
    const trade = { e: "trade", E: openAtMs, s: "SPXUSD", T: openAtMs, m: false, M: true };
    expect(await socket.next()).toEqual({ ...trade, t: 1, p: "100", q: "250000.75" });
    expect(await socket.next()).toEqual({ u: 1, s: "SPXUSD", b: "100", B: "250000.75", a: "100", A: "250000.75" });
    expect(await socket.next()).toEqual({ ...trade, t: 2, p: "98.25", q: "250000.75" });
    expect(await other.next()).toEqual({
      e: "kline",
      E: openAtMs + 86_400_000,
      s: "SPXUSD",
      k: {
        t: openAtMs,
        T: openAtMs + 86_399_999,
        s: "SPXUSD",
        i: "1d",
        f: 1,
        L: 4,
        o: "100",
        h: "103.5",
        l: "98.25",
        c: "101.125",
        v: "1000003",
        n: 4,
        x: true,
        q: "100719052.15625",
        V: "1000003",
        Q: "100719052.15625",
        B: "0",
      },
    });
    socket.send({ method: "UNSUBSCRIBE", params: ["spxusd@trade", "spxusd@bookTicker"], id: 2 });
    while ((await socket.next())["id"] !== 2);
    socket.send({ method: "NONSENSE", id: 3 });
    expect(await socket.next()).toMatchObject({ error: { code: 2 } });
    socket.close();
    other.close();
  });

  test("the WebSocket API takes signed requests and tells the account's events by subscription", async () => {
    const socket = await listenTo(`${url}/ws-api/v3`);
    const ask = async (method: string, params: object) => {
      socket.send({ id: method, method, params });
      return await socket.next();
    };
    const subscribe = "userDataStream.subscribe.signature";
    expect(await ask(subscribe, { ...signedParams(), timestamp: 1 })).toMatchObject({
      status: 400,
      error: { code: -1022 },
    });
    const subscribed = await ask(subscribe, signedParams());
    expect(subscribed).toMatchObject({ id: subscribe, status: 200 });
    const { subscriptionId } = subscribed["result"] as { subscriptionId: number };
    socket.send({ id: 9, method: "order.place", params: signedParams({ ...LIMIT, newClientOrderId: "ws-1" }) });
    expect(await socket.next()).toMatchObject({
      subscriptionId,
      event: { e: "executionReport", c: "ws-1", x: "NEW", X: "NEW", S: "BUY", o: "LIMIT", p: "50", q: "1", t: -1 },
    });
    expect(await socket.next()).toMatchObject({
      event: { e: "outboundAccountPosition", B: [{ a: "SPX" }, { a: "USD", f: "9950", l: "50" }] },
    });
    expect(await socket.next()).toMatchObject({ id: 9, status: 200, result: { clientOrderId: "ws-1" } });
    socket.send({
      id: 10,
      method: "order.cancel",
      params: signedParams({ symbol: "SPXUSD", origClientOrderId: "ws-1" }),
    });
    expect(await socket.next()).toMatchObject({ event: { x: "CANCELED", X: "CANCELED", C: "ws-1" } });
    await socket.next();
    expect(await socket.next()).toMatchObject({ id: 10, result: { status: "CANCELED", origClientOrderId: "ws-1" } });
    expect(await ask("order.unknown", {})).toMatchObject({ status: 400 });
    expect(await ask("time", {})).toMatchObject({ status: 200 });
    socket.close();
  });
});

describe("control", () => {
  test("is not there unless it is turned on", async () => {
    const closed = await startVenue({ markets: (bars) => [marketSettings(bars)], control: false });
    expect((await fetch(`${closed.url()}/control/state`)).status).toBe(404);
    const headers = { "content-type": "application/json" };
    const release_ = { method: "POST", headers, body: '{"step":0}' };
    expect((await fetch(`${closed.url()}/control/release`, release_)).status).toBe(404);
    expect((await fetch(`${closed.url()}/api/v3/ping`)).status).toBe(200);
    await closed.stop();
  });

  test("a ticker is not released, a replay takes no tick, a price has to be one", async () => {
    const post = async (path: string, body: object) =>
      (
        await fetch(path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        })
      ).status;
    expect(await post(`${venue.url("ticker")}/control/release`, { step: 0 })).toBe(409);
    expect(await post(`${url}/control/tick`, { price: "5" })).toBe(409);
    expect(await post(`${venue.url("ticker")}/control/tick`, { price: "-5" })).toBe(422);
  });
});
