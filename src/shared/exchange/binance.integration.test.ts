import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { ServerWebSocket } from "bun";
import { pino } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { createBinanceExchanges } from "./binance-exchanges.ts";
import { EXCHANGE_INFO, KLINE_FRAME, PLACED } from "./binance-frames.fixture.ts";
import type { Exchanges, PlaceRequest } from "./exchange.ts";

/** A server that answers as Binance does, or as a broken one. */
interface Asked {
  method: string;
  path: string;
  params: URLSearchParams;
}

const sockets = new Set<ServerWebSocket>();
let asked: Asked[] = [];
let answer: (request: Asked) => Response = () => Response.json({});
let subscribed: unknown[] = [];
let exchanges: Exchanges;
let instrument: Instrument;

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request, self) {
    if (self.upgrade(request)) return undefined;
    const url = new URL(request.url);
    const params = new URLSearchParams(request.method === "POST" ? await request.text() : url.search);
    const one = { method: request.method, path: url.pathname, params };
    asked.push(one);
    return answer(one);
  },
  websocket: {
    open: (socket) => void sockets.add(socket),
    close: (socket) => void sockets.delete(socket),
    message(socket, message) {
      const { id, params } = JSON.parse(String(message)) as { id: number; params: unknown };
      subscribed.push(params);
      socket.send(JSON.stringify({ result: null, id }));
    },
  },
});

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => null,
    (error: unknown) => error,
  );
}

function order(more: Partial<PlaceRequest> = {}): PlaceRequest {
  return {
    instrument,
    clientOrderId: "demo0000-1",
    side: "SELL",
    style: { type: "MARKET" },
    size: "0.12345",
    signedAtMs: 1_700_000_000_123,
    recvWindowMs: 4_321,
    ...more,
  };
}

function connect(port = server.port, clock: Clock = systemClock): Exchanges {
  return createBinanceExchanges({
    venues: [{ id: "fake", connector: "binance", restUrl: `http://127.0.0.1:${port}/venue` }],
    accounts: [{ id: "main", venue: "fake", apiKey: "key", secret: "secret" }],
    clock,
    log: pino({ level: "silent" }),
  });
}

beforeAll(async () => {
  exchanges = connect();
  answer = ({ path }) =>
    path.endsWith("exchangeInfo") ? Response.json(EXCHANGE_INFO) : new Response("", { status: 404 });
  const [first] = await exchanges.marketData("fake").instruments();
  if (first === undefined) throw new Error("The venue has no instrument.");
  instrument = first;
});

beforeEach(() => {
  asked = [];
  subscribed = [];
});

afterAll(async () => {
  await exchanges.close();
  await server.stop(true);
});

describe("placing an order", () => {
  test("sends the committed window, our id and the exact size, signed", async () => {
    answer = () => Response.json(PLACED);
    const placed = await exchanges.account("main").place(order());
    expect(placed).toMatchObject({ kind: "accepted", order: { status: "FILLED" } });
    const [sent] = asked;
    expect(sent).toMatchObject({ method: "POST", path: "/venue/api/v3/order" });
    const { signature, ...signed } = Object.fromEntries(sent?.params ?? []);
    expect(signed).toEqual({
      symbol: "BTCUSDT",
      side: "SELL",
      type: "MARKET",
      quantity: "0.12345",
      newClientOrderId: "demo0000-1",
      newOrderRespType: "FULL",
      timestamp: "1700000000123",
      recvWindow: "4321",
    });
    const text = sent?.params.toString().replace(/&signature=.*/, "") ?? "";
    expect(signature).toBe(new Bun.CryptoHasher("sha256", "secret").update(text).digest("hex"));
  });

  const lost: [string, () => Response][] = [
    ["a server error", () => Response.json({ code: -1000, msg: "unknown" }, { status: 500 })],
    ["a gateway's page", () => new Response("<html>", { status: 502 })],
    ["an answer that breaks off", () => new Response('{"orderId":')],
    ["an answer that is not an order", () => Response.json({ hello: 1 })],
    [
      "a duplicate of an open order",
      () => Response.json({ code: -2010, msg: "Duplicate order sent." }, { status: 400 }),
    ],
  ];
  test.each(lost)("%s is a lost answer", async (_name, given) => {
    answer = given;
    expect(await failureOf(exchanges.account("main").place(order()))).toMatchObject({
      code: "VENUE_ANSWER_LOST",
      kind: "transient",
    });
    expect(asked).toHaveLength(1);
  });

  test("a ban whose text breaks off is known by its header", async () => {
    // Head and text of one packet, and the end of the connection behind it: no clock decides what arrives.
    const cutting = Bun.listen({
      port: 0,
      hostname: "127.0.0.1",
      socket: {
        data: (socket) => void socket.end("HTTP/1.1 418 Banned\r\nretry-after: 60\r\ncontent-length: 100\r\n\r\n{"),
      },
    });
    const own = connect(cutting.port, createManualClock(1_700_000_000_000));
    expect(await failureOf(own.account("main").place(order()))).toMatchObject({ code: "VENUE_ANSWER_LOST" });
    expect(own.bannedUntilMs("fake")).toBe(1_700_000_060_000);
    cutting.stop(true);
    await own.close();
  });

  test("a venue that does not listen is a lost answer too", async () => {
    const away = createBinanceExchanges({
      venues: [{ id: "away", connector: "binance", restUrl: "http://127.0.0.1:1" }],
      accounts: [{ id: "main", venue: "away", apiKey: "key", secret: "secret" }],
      clock: systemClock,
      log: pino({ level: "silent" }),
    });
    expect(await failureOf(away.account("main").place(order()))).toMatchObject({ code: "VENUE_ANSWER_LOST" });
    await away.close();
  });
});

describe("streams", () => {
  const closed = (openAtMs: number) => ({
    ...KLINE_FRAME,
    s: "BTCUSDT",
    k: { ...KLINE_FRAME.k, x: true, t: openAtMs },
  });
  const send = (frame: unknown): void => {
    for (const socket of sockets) socket.send(JSON.stringify(frame));
  };

  test("tell closed bars, connect again when the connection is lost, and end when told", async () => {
    const stop = new AbortController();
    const bars: VenueBar[] = [];
    let connected = 0;
    const end = exchanges.marketData("fake").followBars({
      instrument,
      timeFrame: "1m",
      signal: stop.signal,
      onBar: (bar) => bars.push(bar),
      onAlive: () => undefined,
      onConnected: () => (connected += 1),
    });
    await until(() => connected === 1);
    expect(subscribed).toEqual([["btcusdt@kline_1m"]]);
    send({ ...KLINE_FRAME, s: "BTCUSDT" });
    send({ ...closed(1), k: "broken" });
    send(closed(60_000));
    await until(() => bars.length === 1);
    for (const socket of sockets) socket.terminate();
    await until(() => connected === 2);
    send(closed(120_000));
    await until(() => bars.length === 2);
    expect(bars.map(({ openAtMs }) => openAtMs)).toEqual([60_000, 120_000]);
    stop.abort();
    await end;
    await until(() => sockets.size === 0);
  });
});
