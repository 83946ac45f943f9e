import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { releaseBars, setFaults, state, tick } from "#services/paper-exchange/control.fixture.ts";
import { client, listenTo, signedParams } from "#services/paper-exchange/rest.fixture.ts";
import {
  KEYS,
  marketSettings,
  startVenue,
  type TestVenue,
  tickerSettings,
} from "#services/paper-exchange/venue.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";

let venue: TestVenue;
let url: string;
let ask: ReturnType<typeof client>;

const LIMIT = { symbol: "SPXUSD", side: "BUY", type: "LIMIT", price: "50", timeInForce: "GTC", quantity: "1" };
const SYMBOL = { symbol: "SPXUSD" };
const HOUR_MS = 3_600_000;

beforeEach(async () => {
  const account = { ...KEYS, balances: { USD: "1000", SPX: "5" } };
  venue = await startVenue({ markets: (bars) => [{ ...tickerSettings(), account }, marketSettings(bars)] });
  url = venue.url("ticker");
  ask = client(url);
  await tick(url, "100");
});
afterEach(async () => await venue.stop());

const place = (newClientOrderId: string, more: Record<string, string> = {}) =>
  ask("POST order", { ...LIMIT, newClientOrderId, ...more });
const market = (newClientOrderId: string, more: Record<string, string> = {}) =>
  ask("POST order", { ...SYMBOL, side: "BUY", type: "MARKET", quantity: "1", newClientOrderId, ...more });
const query = async (origClientOrderId: string) => (await ask("GET order", { ...SYMBOL, origClientOrderId })).body;
const cancel = async (origClientOrderId: string) => (await ask("DELETE order", { ...SYMBOL, origClientOrderId })).body;
const count = async () => (await state(url)).faults.map(({ struck }) => struck);

/** Orders as the file has them. */
function inFile(): unknown[] {
  const db = new Database(join(venue.folder, "ticker.sqlite"), { readonly: true });
  const rows = db.query<unknown, []>("select clientOrderId, status, filled from orders order by id").all();
  db.close();
  return rows;
}

async function userStream() {
  const stream = await listenTo(`${url}/ws-api/v3`);
  stream.send({ id: 1, method: "userDataStream.subscribe.signature", params: signedParams() });
  await stream.next();
  return stream;
}
async function reports(stream: Awaited<ReturnType<typeof userStream>>, wanted: number): Promise<unknown[]> {
  const heard: unknown[] = [];
  while (heard.length < wanted) {
    const { event } = (await stream.next()) as { event?: { e: string; x: string; c: string } };
    if (event?.e === "executionReport") heard.push(`${event.c} ${event.x}`);
  }
  return heard;
}

describe("while the lists lag, the venue's matching does not", () => {
  test("a cancel ends the order itself, also one that no list shows yet", async () => {
    await place("seen-1");
    await setFaults(url, { fault: "lists-lag", lagMs: HOUR_MS });
    await place("unseen-1");
    expect([(await cancel("seen-1"))["status"], (await cancel("unseen-1"))["status"]]).toEqual([
      "CANCELED",
      "CANCELED",
    ]);
    expect([(await query("seen-1"))["status"], (await query("unseen-1"))["code"]]).toEqual(["NEW", -2013]);
    await setFaults(url);
    expect([(await query("seen-1"))["status"], (await query("unseen-1"))["status"]]).toEqual(["CANCELED", "CANCELED"]);
    expect(await state(url)).toMatchObject({ openOrders: [], balances: { USD: { free: "1000", locked: "0" } } });
    expect((await place("seen-1")).body["status"]).toBe("NEW");
  });

  test("a cancel of what has filled is refused, and the ledger stays as it is", async () => {
    await place("filled-1");
    await setFaults(url, { fault: "lists-lag", lagMs: HOUR_MS });
    await tick(url, "49");
    expect((await query("filled-1"))["status"]).toBe("NEW");
    expect((await cancel("filled-1"))["code"]).toBe(-2011);
    expect((await state(url)).balances["USD"]).toEqual({ free: "950", locked: "0" });
    expect(inFile()).toEqual([{ clientOrderId: "filled-1", status: "FILLED", filled: "1" }]);
  });

  test("a forgotten order is unknown, not told by the ledger's own word for it", async () => {
    await setFaults(url, { fault: "lists-lag", lagMs: 0 }, { fault: "order-forgotten", times: 1 });
    await place("gone-1");
    expect((await query("gone-1"))["code"]).toBe(-2013);
    expect((await ask("GET allOrders", SYMBOL)).body).toEqual([] as never);
    expect(inFile()).toEqual([{ clientOrderId: "gone-1", status: "FORGOTTEN", filled: "0" }]);
  });

  test("a question is counted where it is answered with something old, and only so many are", async () => {
    await place("old-1");
    await setFaults(url, { fault: "lists-lag", lagMs: HOUR_MS, times: 1 });
    await ask("GET account");
    expect([(await query("old-1"))["status"], await count()]).toEqual(["NEW", [0]]);
    await tick(url, "49");
    expect([(await query("old-1"))["status"], await count()]).toEqual(["NEW", [1]]);
    expect([(await query("old-1"))["status"], await count()]).toEqual(["FILLED", [1]]);
  });
});

describe("an order that is singled out", () => {
  test("by the beginning of its id is the one whose answer is lost", async () => {
    await setFaults(url, { fault: "answer-lost", clientOrderId: "bad" });
    expect((await place("good-1")).body["status"]).toBe("NEW");
    expect(await place("bad-1").catch(() => "no answer")).toBe("no answer");
    expect((await query("good-1"))["status"]).toBe("NEW");
    await setFaults(url, { fault: "order-forgotten", clientOrderId: "bad" });
    await place("bad-2");
    await place("good-2");
    expect([(await query("bad-2"))["code"], (await query("good-2"))["status"]]).toEqual([-2013, "NEW"]);
  });

  test("as unheard is the only one that the streams keep silent about, all of them", async () => {
    const [one, other] = [await userStream(), await userStream()];
    await setFaults(url, { fault: "order-unheard", times: 1 });
    expect((await place("unheard-1")).body["status"]).toBe("NEW");
    await place("heard-1");
    expect([await reports(one, 1), await reports(other, 1)]).toEqual([["heard-1 NEW"], ["heard-1 NEW"]]);
    expect([(await query("unheard-1"))["code"], (await query("heard-1"))["status"]]).toEqual([-2013, "NEW"]);
    one.close();
    other.close();
  });

  test("as forgotten leaves an earlier one with its id, also after a restart", async () => {
    expect((await market("again-1")).body).toMatchObject({ orderId: 1, status: "FILLED" });
    expect((await place("again-1")).body).toMatchObject({ orderId: 2, status: "NEW" });
    await cancel("again-1");
    expect([
      (await query("again-1"))["orderId"],
      (await ask("GET order", { ...SYMBOL, orderId: "1" })).body,
    ]).toMatchObject([2, { clientOrderId: "again-1", status: "FILLED" }]);
    await setFaults(url, { fault: "order-forgotten", times: 1 });
    expect((await place("again-1")).body["orderId"]).toBe(3);
    expect((await query("again-1"))["orderId"]).toBe(2);
    await venue.restart();
    url = venue.url("ticker");
    ask = client(url);
    expect([
      (await query("again-1"))["orderId"],
      (await ask("GET order", { ...SYMBOL, orderId: "3" })).body,
    ]).toMatchObject([2, { code: -2013 }]);
    await tick(url, "40");
    expect((await state(url)).fillCount).toBe(1);
  });

  test("is met by faults over the WebSocket API too", async () => {
    const stream = await listenTo(`${url}/ws-api/v3`);
    const send = (id: string) =>
      stream.send({ id, method: "order.place", params: signedParams({ ...LIMIT, newClientOrderId: id }) });
    await setFaults(url, { fault: "answer-5xx", what: "WS order.place", status: 504, times: 1 });
    send("ws-1");
    expect(await stream.next()).toMatchObject({ id: "ws-1", status: 504, error: { code: -1007 } });
    expect((await query("ws-1"))["status"]).toBe("NEW");
    await setFaults(url, { fault: "order-forgotten" });
    send("ws-2");
    expect(await stream.next()).toMatchObject({ id: "ws-2", result: { status: "NEW" } });
    expect((await query("ws-2"))["code"]).toBe(-2013);
    await setFaults(url, { fault: "halted" });
    send("ws-3");
    expect(await stream.next()).toMatchObject({ id: "ws-3", error: { code: -1013, msg: "Market is closed." } });
    stream.close();
  });

  test("as cut in the match fills whole where half would be nothing", async () => {
    await setFaults(url, { fault: "cut-in-match" }, { fault: "filters-changed", minNotional: "0" });
    expect((await market("small-1", { quantity: "0.0001" })).body).toMatchObject({ status: "FILLED" });
    expect((await market("large-1", { quantity: "0.0003" })).body).toMatchObject({
      status: "EXPIRED_IN_MATCH",
      executedQty: "0.0001",
    });
    expect(inFile()).toEqual([
      { clientOrderId: "small-1", status: "FILLED", filled: "0.0001" },
      { clientOrderId: "large-1", status: "EXPIRED_IN_MATCH", filled: "0.0001" },
    ]);
  });
});

describe("of two faults of a kind, one of which is over", () => {
  const over = { forMs: 1 };
  const isOver = async () => (await state(url)).faults.some((fault) => fault.over);

  test.each([
    ["first", { share: "0.002", ...over }, { share: "0.003" }],
    ["second", { share: "0.003" }, { share: "0.002", ...over }],
  ])("the other commission counts: the %s is over", async (_name, first, second) => {
    await setFaults(url, { fault: "commission", ...first }, { fault: "commission", ...second });
    await until(isOver);
    expect((await market("paid-1")).body["fills"]).toMatchObject([{ commission: "0.003" }]);
  });

  test("the last commission counts while both last", async () => {
    await setFaults(url, { fault: "commission", share: "0.002" }, { fault: "commission", share: "0.003" });
    expect((await market("paid-1")).body["fills"]).toMatchObject([{ commission: "0.003" }]);
    expect(await count()).toEqual([0, 1]);
  });

  test("the other one cuts", async () => {
    const cut = { fault: "cut-in-match" };
    await setFaults(url, { ...cut, ...over }, { ...cut, clientOrderId: "a" }, { ...cut, clientOrderId: "b" });
    await until(isOver);
    const statuses = [await market("a-1"), await market("b-1"), await market("c-1")].map(({ body }) => body["status"]);
    expect(statuses).toEqual(["EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", "FILLED"]);
  });
});

describe("a commission in another asset", () => {
  test.each([
    ["that the account has none of", "BNB", "1"],
    ["that the order itself has used up", "USD", "10"],
  ])("%s is paid in the usual one", async (_name, asset, quantity) => {
    await setFaults(url, { fault: "commission", share: "0.001", asset });
    const { body } = await market("dear-1", { quantity });
    expect(body["fills"]).toMatchObject([{ commissionAsset: "SPX" }]);
    expect((await tick(url, "100")).price).toBe("100");
  });
});

describe("a ban", () => {
  test("counts what was refused under it, also where it strikes once, and the state tells of it", async () => {
    await setFaults(url, { fault: "banned", retryAfterMs: HOUR_MS, times: 1 });
    for (let request = 0; request < 3; request += 1) expect((await fetch(`${url}/api/v3/time`)).status).toBe(418);
    const stream = await listenTo(`${url}/ws-api/v3`);
    stream.send({ id: 1, method: "time", params: {} });
    expect(await stream.next()).toMatchObject({ status: 418, error: { code: -1003 } });
    expect((await state(url)).faults).toMatchObject([{ fault: "banned", struck: 1, refused: 4, over: false }]);
    stream.close();
  });

  test("begins with the request that it is set for, and is then for all", async () => {
    await setFaults(url, { fault: "banned", what: "POST order", retryAfterMs: HOUR_MS, times: 1 });
    expect((await ask("GET account")).status).toBe(200);
    expect((await place("banned-1")).status).toBe(418);
    expect((await ask("GET account")).status).toBe(418);
  });
});

describe("frames", () => {
  test("are turned within their own connection, and what was held comes when the fault ends", async () => {
    const streams = [await listenTo(`${url}/ws/spxusd@trade`), await listenTo(`${url}/ws/spxusd@trade`)];
    await setFaults(url, { fault: "stream-turned", kind: "market" });
    for (const price of ["101", "102", "103"]) await tick(url, price);
    await setFaults(url);
    for (const stream of streams) {
      const heard = [await stream.next(), await stream.next(), await stream.next()];
      expect(heard.map(({ p }) => p)).toEqual(["102", "101", "103"]);
      stream.close();
    }
  });

  test("of one stream are silent while those of another come", async () => {
    const stream = await listenTo(`${url}/ws`);
    stream.send({ method: "SUBSCRIBE", params: ["spxusd@trade", "spxusd@bookTicker"], id: 1 });
    await stream.next();
    await setFaults(url, { fault: "stream-silent", kind: "market", stream: "trade" });
    await tick(url, "101");
    await setFaults(url);
    await tick(url, "102");
    expect([await stream.next(), await stream.next()]).toMatchObject([{ b: "101" }, { e: "trade", p: "102" }]);
    stream.close();
  });

  test("of a closed bar may be no JSON", async () => {
    const socket = new WebSocket(`${venue.url().replace("http:", "ws:")}/ws/spxusd@kline_1d`);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const heard = new Promise<string>((resolve) => {
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
    });
    await setFaults(venue.url(), { fault: "bar-corrupted", as: "no-json" });
    await releaseBars(venue.url(), 1);
    const text = await heard;
    expect(text).toStartWith('{"e":"kline"');
    expect(() => JSON.parse(text)).toThrow();
    socket.close();
  });
});

describe("bars that REST does not list any more", () => {
  const openOf = async () =>
    ((await (await fetch(`${venue.url()}/api/v3/klines?symbol=SPXUSD&interval=1d`)).json()) as number[][]).map(
      ([openAtMs]) => new Date(openAtMs ?? 0).getUTCDate(),
    );

  test("are those up to a time, or the one that opened then", async () => {
    await releaseBars(venue.url(), 4);
    await setFaults(venue.url(), { fault: "bars-removed", upToMs: Date.UTC(2000, 0, 2) });
    expect(await openOf()).toEqual([3, 4]);
    await setFaults(venue.url(), { fault: "bars-removed", openAtMs: Date.UTC(2000, 0, 2) });
    expect(await openOf()).toEqual([1, 3, 4]);
  });

  test("have to be named", async () => {
    const refused = await setFaults(url, { fault: "bars-removed" }).catch(String);
    expect(refused).toContain("must say which");
  });
});

test("a fault whose time is over is not named in the list of markets any more", async () => {
  await setFaults(url, { fault: "halted", forMs: 1 }, { fault: "stream-silent", kind: "user" });
  const listed = async () =>
    (await (await fetch(url.replace(/\/ticker$/, ""))).json()) as { items: { id: string; faults: string[] }[] };
  const named = async () => (await listed()).items.find(({ id }) => id === "ticker")?.faults;
  await until(async () => (await named())?.length === 1);
  expect(await named()).toEqual(["stream-silent"]);
});

describe("faults of the settings", () => {
  const misbehaves = { seed: 3, faults: [{ fault: "halted" }] };
  const listOf = async (other: TestVenue) => (await fetch(other.url().replace(/\/demo$/, ""))).json();

  test("are there from the start, listed, and stay where control is off", async () => {
    const other = await startVenue({ markets: (bars) => [marketSettings(bars, { misbehaves })], control: false });
    expect(await listOf(other)).toMatchObject({ items: [{ id: "demo", faults: ["halted"] }] });
    const placed = await client(other.url())("POST order", { ...LIMIT, newClientOrderId: "halted-1" });
    expect(placed.body).toEqual({ code: -1013, msg: "Market is closed." });
    expect((await fetch(`${other.url()}/control/faults`)).status).toBe(404);
    expect(await setFaults(other.url()).catch(String)).toContain("Control is off");
    expect(await listOf(other)).toMatchObject({ items: [{ faults: ["halted"] }] });
    await other.stop();
  });

  test("are none by default: nothing strikes, and the list is empty", async () => {
    expect((await place("plain-1")).body["status"]).toBe("NEW");
    expect((await state(url)).faults).toEqual([]);
    expect(await setFaults(url)).toEqual([]);
  });
});
