import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ACCOUNT, DAYS, INSTRUMENT, type RunningApi, sessionBody, startApi } from "#testing/api.fixture.ts";

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
}, 90_000);
afterAll(async () => {
  expect(api.process.log.filter((line) => line.includes('"msg":"request failed"'))).toEqual([]);
  await api.close();
});

async function ask(path: string, init: RequestInit = {}) {
  const answer = await fetch(`${api.url}/${path}`, init);
  const text = await answer.text();
  return { status: answer.status, text, fields: fieldsIn(text), headers: answer.headers };
}

function fieldsIn(text: string): string[] {
  if (!text.startsWith("{")) return [];
  const { errors = [] } = JSON.parse(text) as { errors?: { field: string }[] };
  return errors.map(({ field }) => field);
}

const json = (body: unknown, method = "POST"): RequestInit => ({
  method,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

const LISTS = [
  "session-manager/sessions",
  "order-position-tracker/orders",
  "order-position-tracker/fills",
  "order-position-tracker/positions",
  "order-position-tracker/equity?sessionId=s",
  "order-position-tracker/exposed",
  "risk-manager/decisions",
  "risk-manager/budgets",
  "market-data/instruments",
  "backtest/runs",
  "risk-manager/dead",
  "session-manager/dead",
  "monitoring/alerts",
  "monitoring/rules",
  "monitoring/services",
  "monitoring/leaders",
  "monitoring/dead",
];
const paged = (path: string, name: string, value: string) =>
  `${path}${path.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`;

describe("a cursor that no page gave", () => {
  const CURSORS = [
    '[1.5,"a"]',
    '[1.5,"a",1]',
    '[1.5,"a","b"]',
    "[1e300]",
    '[1e300,"a"]',
    '[1e300,"a",1]',
    "[-1e300]",
    "[9007199254740993]",
    '["\\u0000"]',
    '["\\u0000","a"]',
    '[1,"\\ud800"]',
    '[1,"a\\u0000"]',
    '[1,"a",3000000000]',
    "{}",
    "null",
    "[[[[",
  ];
  test.each(LISTS)("is 422: %s", async (path) => {
    for (const cursor of CURSORS) {
      const { status, fields } = await ask(paged(path, "cursor", Buffer.from(cursor).toString("base64url")));
      expect([cursor, status, fields]).toEqual([cursor, 422, ["query.cursor"]]);
    }
  });

  test("is 422 where its number is larger than any that is kept: [3000000000]", async () => {
    const cursor = Buffer.from("[3000000000]").toString("base64url");
    const { status, fields } = await ask(`order-position-tracker/equity?sessionId=s&cursor=${cursor}`);
    expect([status, fields]).toEqual([422, ["query.cursor"]]);
  });
});

describe("a number that is larger than any that is kept", () => {
  test("is 422 as the first candle's: fromN=2147483648", async () => {
    const path = `market-data/candles?instrumentId=${INSTRUMENT}&timeFrame=1s&fromN=`;
    expect((await ask(`${path}2147483647`)).status).toBe(200);
    expect(await ask(`${path}2147483648`)).toMatchObject({ status: 422, fields: ["query.fromN"] });
  });

  test("is 422 as the last candle's of a backtest", async () => {
    const { name: _name, instrumentIds: _ids, accountId: _account, ...run } = sessionBody();
    const body = { ...run, instrumentId: INSTRUMENT, fromN: 1, toN: 2_147_483_648 };
    expect(await ask("backtest/runs", json(body))).toMatchObject({ status: 422, fields: ["toN"] });
  });

  test("is 422 as a trade's id", async () => {
    const path = `data-collect/trades?instrumentId=${INSTRUMENT}&fromId=${"9".repeat(30)}`;
    expect(await ask(path)).toMatchObject({ status: 422, fields: ["query.fromId"] });
  });
});

const BROKEN = [
  ["NUL", "a\0b", "a%00b"],
  ["the first half of a pair", "a\ud800b", "a%ED%A0%80b"],
  ["the second half of a pair", "\udc00", "%ED%B0%80"],
] as const;

describe.each(BROKEN)("%s", (_name, text, inUrl) => {
  test.each([
    "session-manager/sessions/ID",
    "order-position-tracker/orders/ID",
    "order-position-tracker/accounts/ID",
    "strategy-executor/strategies/ID",
    "paper-exchange/markets/ID/control/state",
  ])("in an id is 404, or no id at all: %s", async (path) => {
    expect([404, 422]).toContain((await ask(path.replace("ID", inUrl))).status);
  });

  test.each([
    "monitoring/alerts?scope=TEXT",
    "order-position-tracker/orders?sessionId=TEXT",
    "order-position-tracker/fills?sessionId=TEXT",
    "order-position-tracker/positions?sessionId=TEXT",
    "order-position-tracker/exposure?sessionId=TEXT",
    "order-position-tracker/equity?sessionId=TEXT",
    "order-position-tracker/unbooked?accountId=TEXT",
    "risk-manager/decisions?sessionId=TEXT",
    "risk-manager/budgets?sessionId=TEXT",
    "market-data/instruments?venue=TEXT",
    "market-data/series?instrumentId=TEXT",
    "market-data/candles?timeFrame=1s&instrumentId=TEXT",
  ])("in a query is 422 where it comes through: %s", async (path) => {
    const { status, fields } = await ask(path.replace("TEXT", inUrl));
    // A client's URL holds no half of a pair: its bytes are read as text that nothing is called.
    expect([200, 422]).toContain(status);
    if (text.includes("\0")) expect([status, fields[0]]).toEqual([422, expect.stringMatching(/^query\./)]);
  });

  test("in a body is 422, in a name, a field's name, and anywhere in the parameters", async () => {
    const bodies: [unknown, string][] = [
      [sessionBody({ name: text }), "name"],
      [sessionBody({ accountId: text }), "accountId"],
      [sessionBody({ params: { deep: [{ text }] } }), "params.deep.0.text"],
      [sessionBody({ params: { [text]: 1 } }), "params"],
      [{ ...sessionBody(), [text]: 1 }, "body"],
    ];
    for (const [body, field] of bodies) {
      const { status, fields } = await ask("session-manager/sessions", json(body));
      expect([field, status, fields]).toEqual([field, 422, [field]]);
    }
    const clear = `monitoring/alerts/${crypto.randomUUID()}/clear`;
    expect((await ask(clear, json({ reason: text }))).status).toBe(422);
    const feed = { instrumentId: `${text}.paper`, kind: "trades" };
    expect((await ask("data-collect/feeds", json(feed))).status).toBe(422);
  });
});

test("a header of 3,000 characters is 422, whichever it is", async () => {
  for (const name of ["x-forwarded-user", "idempotency-key", "if-match"]) {
    const headers = { "content-type": "application/json", "idempotency-key": "k", [name]: "x".repeat(3_000) };
    const answer = await ask("session-manager/sessions", { ...json(sessionBody()), headers });
    expect([name, answer.status, answer.fields]).toEqual([name, 422, [`headers.${name}`]]);
  }
  expect((await ask(`order-position-tracker/accounts/${ACCOUNT}`)).status).toBe(200);
});

describe("OPTIONS", () => {
  test.each([
    ["session-manager/sessions", "GET, HEAD, OPTIONS, POST"],
    [`session-manager/sessions/${crypto.randomUUID()}`, "DELETE, GET, HEAD, OPTIONS, PATCH"],
    [`session-manager/sessions/${crypto.randomUUID()}/pause`, "OPTIONS, POST"],
    ["paper-exchange/markets/made-up/ws-api/v3", "GET, HEAD, OPTIONS"],
  ])("says what an address takes: %s", async (path, allow) => {
    const { status, text, headers } = await ask(path, { method: "OPTIONS" });
    expect([status, text, headers.get("allow")]).toEqual([204, "", allow]);
    const refused = await ask(path, { method: "PUT" });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, allow]);
  });

  test("is 404 where there is nothing", async () => {
    expect((await ask("nothing", { method: "OPTIONS" })).status).toBe(404);
  });
});

test.each(["/session-manager/sessions", "session-manager//sessions", "session-manager/sessions//", "/"])(
  "two slashes in a row are no address: %s",
  async (path) => {
    expect((await ask(path)).status).toBe(404);
  },
);

test("a session is found by its id in capital letters, as what belongs to it", async () => {
  const id = api.sessionId.toUpperCase();
  expect((await ask(`session-manager/sessions/${id}`)).status).toBe(200);
  const orders = await ask(`order-position-tracker/orders?sessionId=${id}`);
  const [first] = (JSON.parse(orders.text) as { items: { id: string }[] }).items;
  expect((await ask(`order-position-tracker/orders/${first?.id.toUpperCase()}`)).status).toBe(200);
});

test("an If-Match without quotation marks is told so, and one with them is compared", async () => {
  const path = `session-manager/sessions/${api.sessionId}`;
  const change = (ifMatch: string) =>
    ask(path, {
      ...json({ name: "New" }, "PATCH"),
      headers: { "content-type": "application/json", "if-match": ifMatch },
    });
  const { status, text } = await change("3");
  expect([status, text]).toEqual([422, expect.stringContaining('must be quoted, like \\"3\\"')]);
  expect((await change('"999999"')).status).toBe(412);
  expect((await change("*")).status).toBe(200);
});

describe("a feed", () => {
  const bars = { instrumentId: INSTRUMENT, kind: "bars", timeFrame: "1h" };
  const listed = async () => (JSON.parse((await ask("data-collect/feeds")).text) as { items: object[] }).items;

  test("that was asked for is listed, and gone once it is removed", async () => {
    expect((await ask("data-collect/feeds", json(bars))).status).toBe(200);
    expect(await listed()).toContainEqual({ ...bars, askedAtMs: expect.any(Number) });
    const remove = `data-collect/feeds?${new URLSearchParams(bars).toString()}`;
    expect((await ask(remove, { method: "DELETE" })).status).toBe(204);
    expect(await listed()).not.toContainEqual(expect.objectContaining(bars));
    expect((await ask(remove, { method: "DELETE" })).status).toBe(404);
  });

  test("of bars needs a time frame, and one of trades has none", async () => {
    for (const query of ["kind=bars", "kind=trades&timeFrame=1h"]) {
      const path = `data-collect/feeds?instrumentId=${INSTRUMENT}&${query}`;
      expect(await ask(path, { method: "DELETE" })).toMatchObject({ status: 422, fields: ["query.timeFrame"] });
    }
  });
});

describe("a time frame that the venue has no bars of", () => {
  // A replay of days beside the market whose prices are made up.
  const days = { instrumentId: DAYS, timeFrame: "1h" };

  test("is 422 as a series, and neither the series nor a feed of it is kept", async () => {
    const body = { ...days, source: "bars", history: 10 };
    expect(await ask("market-data/series", json(body))).toMatchObject({ status: 422, fields: ["timeFrame"] });
    expect((await ask("market-data/series")).text).not.toContain(DAYS);
    expect((await ask("data-collect/feeds")).text).not.toContain(DAYS);
  });

  test("is 422 as a feed and as a page of bars", async () => {
    const feed = { ...days, kind: "bars" };
    expect(await ask("data-collect/feeds", json(feed))).toMatchObject({ status: 422, fields: ["timeFrame"] });
    const query = new URLSearchParams(days).toString();
    expect(await ask(`data-collect/bars?${query}`)).toMatchObject({ status: 422, fields: ["query.timeFrame"] });
    expect((await ask("data-collect/feeds")).text).not.toContain(DAYS);
  });
});

test("bars before toMs=0 are 422", async () => {
  const path = `data-collect/bars?instrumentId=${INSTRUMENT}&timeFrame=1s&toMs=`;
  expect(await ask(`${path}0`)).toMatchObject({ status: 422, fields: ["query.toMs"] });
  expect((await ask(`${path}1`)).status).toBe(200);
  expect((await ask(`${path}9007199254740991`)).status).toBe(200);
});
