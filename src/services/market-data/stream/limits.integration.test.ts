import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Replica } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Listening } from "#shared/http/listen.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { CANDLES, follow, QUOTES, serve } from "./stream.fixture.ts";
import { MOST_AT_ONCE, MOST_SUBSCRIPTIONS } from "./stream-socket.ts";

const at = replicasOfEachTest();
const SOCKETS = 3;
let replica: Replica;
let server: Listening;

beforeEach(async () => {
  replica = await at.start({ R3_MARKET_DATA_STREAM_SOCKETS: String(SOCKETS) });
  server = serve(replica);
});
afterEach(() => server.stop(0));

const subscribe = { op: "subscribe", ...QUOTES };
const isRefused = async (headers: Record<string, string> = {}): Promise<boolean> =>
  await follow(server.url, headers).then(
    () => false,
    () => true,
  );

/** The answer to what a client sends to open a WebSocket. */
async function upgrade(headers: Record<string, string>, query = ""): Promise<{ status: number; code?: string }> {
  const handshake = {
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  };
  const answer = await fetch(`${server.url}/api/market-data/stream${query}`, { headers: { ...handshake, ...headers } });
  return { status: answer.status, code: ((await answer.json()) as { code: string }).code };
}

describe("a message that cannot be taken", () => {
  const NO_OBJECT =
    'A message has to be a JSON object: {"op":"subscribe","channel":"quotes","instrumentId":"BTC/USDT.paper"}.';
  test.each<[string, object | string, string, string]>([
    ["no JSON", "subscribe", "INVALID_INPUT", NO_OBJECT],
    ["half of JSON", '{"op":', "INVALID_INPUT", NO_OBJECT],
    ["a list", [subscribe], "INVALID_INPUT", NO_OBJECT],
    ["null", "null", "INVALID_INPUT", NO_OBJECT],
    ["a number", "5", "INVALID_INPUT", NO_OBJECT],
    ["bytes", new Uint8Array(5), "INVALID_INPUT", NO_OBJECT],
    ["nothing in it", {}, "INVALID_INPUT", "op must be subscribe or unsubscribe, channel must be candles or quotes."],
    [
      "another op alone",
      { op: "sub" },
      "INVALID_INPUT",
      "op must be subscribe or unsubscribe, channel must be candles or quotes.",
    ],
    ["another channel", { ...subscribe, channel: "trades" }, "INVALID_INPUT", "channel must be candles or quotes."],
    ["another op", { ...QUOTES, op: "x" }, "INVALID_INPUT", "op must be subscribe or unsubscribe."],
    ["no time frame", { ...subscribe, channel: "candles" }, "INVALID_INPUT", "timeFrame is missing."],
    [
      "a field too much",
      { ...subscribe, timeFrame: "1m" },
      "INVALID_INPUT",
      "timeFrame is not known here; known: op, channel, instrumentId.",
    ],
    [
      "a broken text",
      { ...subscribe, instrumentId: "A/B\u0000.paper" },
      "INVALID_INPUT",
      "instrumentId must not hold NUL or half of a surrogate pair.",
    ],
    [
      "an unknown series",
      { op: "subscribe", ...CANDLES },
      "NOT_FOUND",
      `There are no candles ${spx.id} 1m here: POST /api/market-data/series makes the series.`,
    ],
  ])("%s is answered with a sentence, and the socket goes on", async (_name, message, code, text) => {
    const one = await follow(server.url);
    expect(await one.ask(message, "error")).toEqual({ type: "error", code, message: text });
    expect(await one.ask(subscribe, "subscribed")).toEqual({ type: "subscribed", ...QUOTES });
    expect(one.closed()).toBeNull();
  });

  test("above 16 KiB closes its socket (1009), and no other", async () => {
    const [one, other] = [await follow(server.url), await follow(server.url)];
    one.send("x".repeat(16_385));
    expect(await until(() => one.closed())).toMatchObject({ code: 1009 });
    expect(await other.ask("x".repeat(16_384), "error")).toMatchObject({ code: "INVALID_INPUT" });
  });
});

describe("limits", () => {
  test("answers come in the order of the messages, whatever they have to wait for", async () => {
    at.venue.bar(0, "10");
    await replica.ensure({ history: 1 });
    const one = await follow(server.url);
    one.send({ op: "subscribe", ...CANDLES });
    one.send({ op: "unsubscribe", ...CANDLES });
    one.send(subscribe);
    await until(() => one.heard.length === 5);
    expect(one.heard.map(({ type }) => type)).toEqual([
      "subscribed",
      "snapshot",
      "unsubscribed",
      "subscribed",
      "snapshot",
    ]);
  });

  test("a socket follows so many channels; one that it leaves makes room, one that it has already needs none", async () => {
    const one = await follow(server.url);
    const other = (index: number) => ({ ...subscribe, instrumentId: `A${index}/B.paper` });
    for (let index = 0; index < MOST_SUBSCRIPTIONS; index += 1) one.send(other(index));
    expect(await one.ask(subscribe, "error")).toEqual({
      type: "error",
      code: "TOO_MANY_SUBSCRIPTIONS",
      message: "A socket follows 100 channels at most: unsubscribe from one, or open another socket.",
    });
    expect(one.heard.filter(({ type }) => type === "snapshot")).toHaveLength(MOST_SUBSCRIPTIONS);
    await one.ask(other(0), "snapshot");
    await one.ask({ ...other(0), op: "unsubscribe" }, "unsubscribed");
    await one.ask(subscribe, "snapshot");
  });

  test("messages above the rate are refused, and whoever goes on is closed (1008)", async () => {
    const [one, other] = [await follow(server.url), await follow(server.url)];
    for (let index = 0; index < 1.5 * MOST_AT_ONCE; index += 1) one.send(subscribe);
    await until(() => one.heard.some((it) => it.type === "error"));
    expect(one.heard.find(({ type }) => type === "error")).toEqual({
      type: "error",
      code: "RATE_LIMITED",
      message: "Too many messages: 20 a second are taken, 200 at once.",
    });
    expect(one.closed()).toBeNull();
    for (let index = 0; index < MOST_AT_ONCE; index += 1) one.send(subscribe);
    expect(await until(() => one.closed())).toMatchObject({ code: 1008 });
    expect(one.heard.filter(({ type }) => type === "subscribed").length).toBeLessThan(1.1 * MOST_AT_ONCE);
    await other.ask(subscribe, "snapshot");
  });

  test("a process holds so many sockets: one more is 503, and has a place when another one goes", async () => {
    const asked = await Promise.allSettled(Array.from({ length: 2 * SOCKETS }, () => follow(server.url)));
    const taken = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(taken).toHaveLength(SOCKETS);
    expect(await upgrade({})).toEqual({ status: 503, code: "SERVICE_UNAVAILABLE" });
    taken[0]?.close();
    const next = await until(() => follow(server.url).catch(() => null));
    await next.ask(subscribe, "snapshot");
  });
});

describe("who may connect", () => {
  test("what is no browser, and a page from here; no foreign page, and nobody under a foreign name", async () => {
    expect(await isRefused()).toBe(false);
    expect(await isRefused({ origin: server.url })).toBe(false);
    for (const origin of ["https://evil.example", "http://127.0.0.1:1", "null"]) {
      expect(await isRefused({ origin })).toBe(true);
      expect(await upgrade({ origin })).toEqual({ status: 403, code: "FOREIGN_ORIGIN" });
    }
    expect(await upgrade({ host: "evil.example" })).toEqual({ status: 403, code: "FOREIGN_HOST" });
    expect(await upgrade({ "sec-fetch-site": "cross-site" })).toEqual({ status: 403, code: "FOREIGN_ORIGIN" });
  });

  test("a name in the query is refused, as on every route; a plain GET is told what this is", async () => {
    expect(await upgrade({}, "?token=1")).toEqual({ status: 422, code: "INVALID_INPUT" });
    const plain = await fetch(`${server.url}/api/market-data/stream`);
    expect([plain.status, plain.headers.get("upgrade")]).toEqual([426, "websocket"]);
    expect(await plain.json()).toMatchObject({
      code: "UPGRADE_REQUIRED",
      detail: "This address is a WebSocket: connect to it with ws:// or wss://.",
    });
  });

  test("at the stop of the service all sockets are closed (1001), and none is taken any more", async () => {
    const all = [await follow(server.url), await follow(server.url)];
    await all[0]?.ask(subscribe, "snapshot");
    await replica.stop();
    const end = { code: 1001, reason: "This process stops: connect again, and subscribe again." };
    for (const one of all) expect(await until(() => one.closed())).toEqual(end);
    expect(await upgrade({})).toEqual({ status: 503, code: "SERVICE_UNAVAILABLE" });
  });
});
