import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { authenticate, checkWindow, parseParams, restPayload, webSocketPayload } from "./signature.ts";

const account = { apiKey: "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", secret: "s".repeat(64) };
const sign = (payload: string, secret = account.secret) => createHmac("sha256", secret).update(payload).digest("hex");
const NOW = 1_499_827_319_559;

function ask(query: string, body = "", more: { apiKey?: string | null; nowMs?: number; secret?: string } = {}) {
  const signed = `${query}&signature=${sign(query + body, more.secret)}`;
  const request = { params: parseParams(signed, body), payload: restPayload(signed, body) };
  const apiKey = more.apiKey === undefined ? account.apiKey : more.apiKey;
  return authenticate({ ...request, apiKey }, account, more.nowMs ?? NOW)?.code ?? null;
}

describe("authenticate", () => {
  const query = `symbol=SPXUSD&recvWindow=5000&timestamp=${NOW}`;

  test("takes what Binance's own documentation signs", () => {
    const documented = {
      apiKey: account.apiKey,
      secret: "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    };
    const body =
      "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559" +
      "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    const request = { apiKey: documented.apiKey, params: parseParams("", body), payload: restPayload("", body) };
    expect(authenticate(request, documented, NOW)).toBeNull();
    expect(authenticate({ ...request, payload: `${request.payload}0` }, documented, NOW)?.code).toBe(-1022);
  });

  test("takes parameters split over query and body, and a window's last millisecond", () => {
    expect(ask("symbol=SPXUSD", `timestamp=${NOW}`)).toBeNull();
    expect(ask(query, "", { nowMs: NOW + 5_000 })).toBeNull();
    expect(ask(query, "", { nowMs: NOW - 999 })).toBeNull();
  });

  test.each([
    ["no key", query, { apiKey: null }, -2014],
    ["another key", query, { apiKey: "other" }, -2015],
    ["another secret", query, { secret: "other" }, -1022],
    ["no timestamp", "symbol=SPXUSD", {}, -1102],
    ["a timestamp that is none", "timestamp=now", {}, -1102],
    ["a window that is over", query, { nowMs: NOW + 5_001 }, -1021],
    ["a timestamp a second ahead", query, { nowMs: NOW - 1_000 }, -1021],
    ["a window above a minute", `recvWindow=60001&timestamp=${NOW}`, {}, -1131],
  ])("refuses %s", (_name, text, more, code) => {
    expect(ask(text, "", more)).toBe(code);
  });

  test("refuses a request without a signature", () => {
    const request = { apiKey: account.apiKey, params: parseParams(query), payload: query };
    expect(authenticate(request, account, NOW)?.code).toBe(-1102);
  });
});

describe("checkWindow", () => {
  test("lets a request in exactly while server time is below timestamp + window and timestamp below server time + 1 s", () => {
    fc.assert(
      fc.property(fc.integer({ min: -70_000, max: 70_000 }), fc.integer({ min: 0, max: 60_000 }), (late, window) => {
        const allowed = late > -1_000 && late <= window;
        expect(checkWindow(NOW, window, NOW + late) === null).toBe(allowed);
      }),
    );
  });
});

describe("webSocketPayload", () => {
  test("joins all but the signature, sorted by name", () => {
    const params = new Map([
      ["timestamp", "5"],
      ["signature", "x"],
      ["apiKey", "k"],
    ]);
    expect(webSocketPayload(params)).toBe("apiKey=k&timestamp=5");
  });
});
