import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { client, listenTo, signedParams } from "#services/paper-exchange/rest.fixture.ts";
import { marketSettings, startVenue, type TestVenue, tickerSettings } from "#services/paper-exchange/venue.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { FAULT_KINDS } from "./faults.ts";

let venue: TestVenue;
let ask: ReturnType<typeof client>;
/** How far the venue's clock was moved on: what is to pass has passed then. */
let aheadMs = 0;
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };

const ticker = () => ({
  ...tickerSettings(),
  account: { apiKey: "paper-key", secret: "paper-secret", balances: { USD: "10000", SPX: "5" } },
});
beforeEach(async () => {
  aheadMs = 0;
  venue = await startVenue({ markets: (bars) => [ticker(), marketSettings(bars)], clock });
  ask = client(venue.url("ticker"));
  await tick("100");
});
afterEach(async () => {
  await venue.stop();
});

async function control(path: string, body: unknown, market = "ticker"): Promise<Record<string, unknown>> {
  const answer = await fetch(`${venue.url(market)}/control/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, ...((await answer.json()) as object) };
}
const tick = (price: string) => control("tick", { price });
const set = (...faults: object[]) => control("faults", { seed: 7, faults });
const state = async (): Promise<Record<string, unknown>> =>
  (await (await fetch(`${venue.url("ticker")}/control/state`)).json()) as Record<string, unknown>;
async function struck(market = "ticker"): Promise<number[]> {
  const list = (await (await fetch(`${venue.url(market)}/control/faults`)).json()) as { faults: { struck: number }[] };
  return list.faults.map((fault) => fault.struck);
}
const order = (clientOrderId: string, more: Record<string, string> = {}) =>
  ask("POST order", {
    symbol: "SPXUSD",
    side: "BUY",
    type: "MARKET",
    quantity: "1",
    newClientOrderId: clientOrderId,
    ...more,
  });
const LIMIT = { type: "LIMIT", price: "50", timeInForce: "GTC" };
/** Signed by the venue's clock. */
const asked = (call: string, more: Record<string, string> = {}) =>
  ask(call, { symbol: "SPXUSD", timestamp: String(clock.nowMs()), ...more });
const query = (clientOrderId: string) => asked("GET order", { origClientOrderId: clientOrderId });
const info = async () =>
  ((await (await fetch(`${venue.url("ticker")}/api/v3/exchangeInfo`)).json()) as { symbols: Record<string, unknown>[] })
    .symbols;

describe("a venue's faults", () => {
  test("are off by default, listed with how often they struck, shown in the list of markets, and gone when replaced", async () => {
    const markets = async () =>
      (
        (await (await fetch(`${venue.url("ticker").replace(/\/ticker$/, "")}`)).json()) as {
          items: { id: string; faults: string[] }[];
        }
      ).items.find(({ id }) => id === "ticker")?.faults;
    expect(await markets()).toEqual([]);
    await set({ fault: "answer-5xx", what: "GET account", times: 1 });
    expect((await fetch(`${venue.url("ticker")}/api/v3/time`)).status).toBe(200);
    expect([await struck(), await markets()]).toEqual([[0], ["answer-5xx"]]);
    await ask("GET account").catch(() => undefined);
    expect((await ask("GET account")).status).toBe(200);
    expect(await struck()).toEqual([1]);
    expect(await set()).toMatchObject({ status: 200, faults: [] });
    expect(await markets()).toEqual([]);
  });

  test("strike at the same requests for the same seed, and after as many as are left out", async () => {
    const run = async (seed: number): Promise<boolean[]> => {
      await control("faults", { seed, faults: [{ fault: "answer-5xx", what: "GET account", probability: 0.5 }] });
      const hits: boolean[] = [];
      for (let count = 0; count < 12; count += 1)
        hits.push(
          await ask("GET account").then(
            ({ status }) => status !== 200,
            () => true,
          ),
        );
      return hits;
    };
    const first = await run(3);
    expect(await run(3)).toEqual(first);
    expect(new Set(first).size).toBe(2);
    await set({ fault: "banned", after: 1, retryAfterMs: 60_000 });
    expect([(await ask("GET account")).status, (await ask("GET account")).status]).toEqual([200, 418]);
  });

  test("are refused where one is unknown, lacks a parameter, or has one without measure", async () => {
    const unknown = await set({ fault: "nonsense" });
    expect(unknown).toMatchObject({ status: 422, errors: [{ field: "faults.0.fault" }] });
    expect(JSON.stringify(unknown)).toContain("must be one of request-lost, answer-lost,");
    expect(await set({ fault: "answer-delayed" })).toMatchObject({ status: 422 });
    expect(await set({ fault: "commission", share: "1.01" })).toMatchObject({ status: 422 });
  });

  test.each([
    [{ fault: "answer-lost", what: "POST oder" }, /must be one of GET ping, .*POST order,/],
    [{ fault: "stream-silent", kind: "market", stream: "klne_1s" }, /must be trade, aggTrade,/],
    [{ fault: "filters-changed" }, /or another of sizeStep, minSize, maxSize, minNotional is missing/],
  ])("%p could never strike, and is refused", async (fault, words) => {
    const answer = await set(fault);
    expect(answer).toMatchObject({ status: 422 });
    expect(JSON.stringify(answer)).toMatch(words);
  });

  test("a ban is over once its time has passed", async () => {
    await set({ fault: "banned", retryAfterMs: 1_000, times: 1 });
    expect((await ask("GET account")).status).toBe(418);
    const told = async () => (await state())["faults"] as { over: boolean }[];
    expect(await told()).toMatchObject([{ fault: "banned", over: false }]);
    await until(async () => (await told())[0]?.over === true);
    expect((await ask("GET account")).status).toBe(200);
  });

  test("have each a meaning and a name of their own", () => {
    expect(new Set(FAULT_KINDS.map(({ name }) => name)).size).toBe(FAULT_KINDS.length);
    for (const { meaning } of FAULT_KINDS) expect(meaning.length).toBeGreaterThan(10);
  });
});

describe("a request", () => {
  test("that is lost has no effect, one whose answer is lost has", async () => {
    await set({ fault: "request-lost", what: "POST order", times: 1 });
    expect(await order("lost-1").catch(() => "no answer")).toBe("no answer");
    expect((await query("lost-1")).body["code"]).toBe(-2013);
    await set({ fault: "answer-lost", what: "POST order", times: 1 });
    expect(await order("lost-2").catch(() => "no answer")).toBe("no answer");
    expect((await query("lost-2")).body["status"]).toBe("FILLED");
  });

  test("is done although the answer is a server error, and late answers are late", async () => {
    await set({ fault: "answer-5xx", what: "POST order", status: 503, times: 1 });
    await order("error-1").catch(() => undefined);
    expect((await query("error-1")).body["status"]).toBe("FILLED");
    await set({ fault: "answer-delayed", what: "GET account", delayMs: 60 });
    const beganMs = performance.now();
    await ask("GET account");
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(59);
  });

  test("is refused under a ban, with its end, until that is over", async () => {
    await set({ fault: "banned", status: 429, retryAfterMs: 60_000, times: 1 });
    const time = () => fetch(`${venue.url("ticker")}/api/v3/time`);
    const answer = await time();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "60"]);
    expect(await answer.json()).toMatchObject({ code: -1003, msg: expect.stringContaining("IP banned until") });
    expect((await time()).status).toBe(429);
    aheadMs = 60_000;
    expect((await time()).status).toBe(200);
  });

  test("meets a server clock that is off, in its answers and in its checks", async () => {
    await set({ fault: "clock-off", aheadMs: 20_000 });
    const { serverTime } = (await (await fetch(`${venue.url("ticker")}/api/v3/time`)).json()) as { serverTime: number };
    expect(serverTime - Date.now()).toBeGreaterThan(19_000);
    expect((await ask("GET account")).body["code"]).toBe(-1021);
  });
});

describe("orders and fills", () => {
  test("are listed late, as they were, while the lists lag", async () => {
    await set({ fault: "lists-lag", lagMs: 60_000 });
    expect((await order("lag-1")).status).toBe(200);
    expect((await query("lag-1")).body["code"]).toBe(-2013);
    expect((await asked("GET myTrades")).body).toEqual([] as never);
    aheadMs = 60_000;
    expect((await query("lag-1")).body["status"]).toBe("FILLED");
    expect((await asked("GET myTrades")).body).toHaveLength(1);
  });

  test("are forgotten after they were accepted, and never execute", async () => {
    await set({ fault: "order-forgotten", times: 1 });
    expect((await order("gone-1", LIMIT)).body["status"]).toBe("NEW");
    expect((await query("gone-1")).body["code"]).toBe(-2013);
    const cancel = await ask("DELETE order", { symbol: "SPXUSD", origClientOrderId: "gone-1" });
    expect(cancel.body["code"]).toBe(-2011);
    expect((await ask("GET allOrders", { symbol: "SPXUSD" })).body).toHaveLength(0);
    await tick("40");
    expect(await state()).toMatchObject({ fillCount: 0, balances: { USD: { free: "10000", locked: "0" } } });
    await tick("100");
    expect((await order("here-1", LIMIT)).body["status"]).toBe("NEW");
    expect((await query("here-1")).body["status"]).toBe("NEW");
  });

  test("are cut by half in the match, and the ledger has the half", async () => {
    await set({ fault: "cut-in-match", times: 1 });
    const { body } = await order("half-1", { quantity: "2" });
    expect(body).toMatchObject({ status: "EXPIRED_IN_MATCH", executedQty: "1" });
    expect((await order("whole-1")).body).toMatchObject({ status: "FILLED", executedQty: "1" });
    expect(await state()).toMatchObject({ fillCount: 2, balances: { USD: { free: "9800", locked: "0" } } });
  });

  test("pay a rebate, or in a third asset, and by the old terms again", async () => {
    await set({ fault: "commission", share: "-0.0001" });
    expect((await order("rebate-1")).body["fills"]).toMatchObject([{ commission: "-0.0001", commissionAsset: "SPX" }]);
    expect(await state()).toMatchObject({ balances: { SPX: { free: "6.0001" } } });
    await set({ fault: "commission", share: "-0.0002", asset: "BNB" });
    expect((await order("third-1")).body["fills"]).toMatchObject([{ commission: "-0.02", commissionAsset: "BNB" }]);
    await set({ fault: "commission", share: "0.001", asset: "BNB" });
    // The rebate of before is not enough for it.
    expect((await order("unpaid-1")).body["fills"]).toMatchObject([{ commission: "0.001", commissionAsset: "SPX" }]);
    await set();
    expect((await order("usual-1")).body["fills"]).toMatchObject([{ commission: "0.001" }]);
  });

  test("are gone and counted from 1 again after a reset; balances stay", async () => {
    await order("before-1");
    await order("before-2", LIMIT);
    await set({ fault: "ids-begin-anew", times: 1 });
    expect((await query("before-1")).body["code"]).toBe(-2013);
    expect(await state()).toMatchObject({
      orderCount: 0,
      fillCount: 0,
      balances: { USD: { free: "9900", locked: "0" } },
    });
    const { body } = await order("after-1");
    expect(body).toMatchObject({ orderId: 1, fills: [{ tradeId: 1 }] });
    expect((await tick("101"))["id"]).toBe(1);
    await venue.restart();
    expect(await state()).toMatchObject({ orderCount: 1, fillCount: 1 });
  });
});

describe("the symbol", () => {
  test("is halted, delisted, or has other filters, and then the old ones", async () => {
    await set({ fault: "halted" });
    expect((await info())[0]?.["status"]).not.toBe("TRADING");
    expect((await order("halted-1")).body["code"]).toBe(-1013);
    await set({ fault: "delisted" });
    expect(await info()).toEqual([]);
    expect((await order("gone-1")).body["code"]).toBe(-1121);
    await set({ fault: "filters-changed", minNotional: "500" });
    expect(JSON.stringify((await info())[0]?.["filters"])).toContain('"minNotional":"500"');
    expect((await order("small-1")).body["code"]).toBe(-1013);
    await set();
    expect((await order("small-2")).status).toBe(200);
  });
});

describe("bars", () => {
  const release = async (step: number) => control("release", { step }, "demo");
  const closeBar = async () => {
    for (;;) {
      const { step, phase } = await release(
        ((await (await fetch(`${venue.url()}/control/state`)).json()) as { step: number }).step,
      );
      if (phase === "bar-closed" && typeof step === "number") return;
    }
  };
  const listed = async () =>
    (await (await fetch(`${venue.url()}/api/v3/klines?symbol=SPXUSD&interval=1d`)).json()) as unknown[];

  test("are missing from REST while they are new, or for good where they were removed", async () => {
    await closeBar();
    await control("faults", { faults: [{ fault: "bars-lag", lagMs: 60_000 }] }, "demo");
    await closeBar();
    expect(await listed()).toHaveLength(1);
    aheadMs = 60_000;
    expect(await listed()).toHaveLength(2);
    await control("faults", { faults: [{ fault: "bars-removed", newest: 1 }] }, "demo");
    await closeBar();
    expect((await listed()).map((row) => (row as number[])[0])).toEqual([
      Date.UTC(2000, 0, 1),
      Date.UTC(2000, 0, 3),
    ] as never);
  });

  test("are dropped from the stream, or corrupted, once", async () => {
    const stream = await listenTo(`${venue.url()}/ws/spxusd@kline_1d`);
    const faults = [
      { fault: "bar-dropped", times: 1 },
      { fault: "bar-corrupted", times: 1, after: 1 },
    ];
    await control("faults", { faults }, "demo");
    for (let bar = 0; bar < 3; bar += 1) await closeBar();
    const closed: unknown[] = [];
    while (closed.length < 2) {
      const { k } = (await stream.next()) as { k: { x: boolean; t: number; c: unknown } };
      if (k.x) closed.push([k.t, typeof k.c]);
    }
    expect(closed).toEqual([
      [Date.UTC(2000, 0, 2), "string"],
      [Date.UTC(2000, 0, 3), "object"],
    ]);
    stream.close();
  });
});

describe("the streams", () => {
  const user = async () => {
    const stream = await listenTo(`${venue.url("ticker")}/ws-api/v3`);
    stream.send({ id: 1, method: "userDataStream.subscribe.signature", params: signedParams() });
    return stream;
  };
  const kinds = async (stream: Awaited<ReturnType<typeof user>>, count: number) => {
    const heard: unknown[] = [];
    while (heard.length < count) {
      const { event } = (await stream.next()) as { event?: { e: string; x?: string } };
      if (event?.e === "executionReport") heard.push(event.x);
    }
    return heard;
  };

  test("of the user come twice, turned, late or not at all", async () => {
    const stream = await user();
    await stream.next();
    await set({ fault: "stream-doubled", kind: "user" });
    await order("twice-1", LIMIT);
    expect(await kinds(stream, 2)).toEqual(["NEW", "NEW"]);
    await set({ fault: "stream-silent", kind: "user" });
    await order("silent-1", LIMIT);
    await set({ fault: "stream-delayed", kind: "user", delayMs: 30 });
    await order("late-1");
    expect(await kinds(stream, 2)).toEqual(["NEW", "TRADE"]);
    await set({ fault: "stream-turned", kind: "user", times: 1 });
    await order("turned-1");
    expect(await kinds(stream, 2)).toEqual(["TRADE", "NEW"]);
    stream.close();
  });

  test("break, and a subscription is acknowledged late or never", async () => {
    const first = new WebSocket(`${venue.url("ticker").replace("http:", "ws:")}/ws-api/v3`);
    await new Promise((resolve) => first.addEventListener("open", resolve));
    const closed = new Promise((resolve) => first.addEventListener("close", resolve));
    await set({ fault: "disconnect", kind: "user", times: 1 });
    await closed;
    await set({ fault: "subscription-late", kind: "market", delayMs: 80 });
    const stream = await listenTo(`${venue.url("ticker")}/ws/spxusd@trade`);
    stream.send({ method: "SUBSCRIBE", params: ["spxusd@trade"], id: 1 });
    await tick("101");
    expect(await stream.next()).toMatchObject({ e: "trade" });
    expect(await stream.next()).toEqual({ result: null, id: 1 });
    await set({ fault: "subscription-unanswered", kind: "market", times: 1 });
    stream.send({ method: "SUBSCRIBE", params: ["spxusd@aggTrade"], id: 2 });
    stream.send({ method: "LIST_SUBSCRIPTIONS", id: 3 });
    expect(await stream.next()).toMatchObject({ id: 3 });
    stream.close();
  });
});
