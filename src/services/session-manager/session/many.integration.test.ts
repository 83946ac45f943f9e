import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { BulkAnswer, SessionEvent } from "#services/session-manager/contract.ts";
import { createReportTaker } from "#services/session-manager/reports/take-reports.ts";
import { type Called, createReplica, type Replica } from "#services/session-manager/session-manager.fixture.ts";
import { createStore } from "#services/session-manager/store.ts";
import type { Bus } from "#shared/bus/bus.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";

import { removeEvents } from "./event-store.ts";

let database: TestDatabase;
let replica: Replica;
const bus = { partitionOf: () => 0, publish: () => undefined } as unknown as Bus;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});
beforeEach(async () => {
  await database.db.sql`truncate reference.sessions, reference.risk_states, session_manager.idempotency_keys,
    session_manager.events`;
  replica = createReplica(database.db, bus);
});

const force = (id: string, state: string) =>
  database.db.sql`update reference.sessions set state = ${state},
    session = jsonb_set(session, '{state}', to_jsonb(${state}::text)) where id = ${id}`;

/** Sessions with these names, made one millisecond after the other. */
async function named(...names: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) {
    await replica.clock.advance(1);
    ids.push((await replica.create({}, { name })).body.id);
  }
  return ids;
}

const listed = async (query: string) => {
  const { status, body } = await replica.call({ path: `?${query}` });
  expect(status).toBe(200);
  return body;
};
const names = async (query: string) => (await listed(query)).items.map(({ name }) => name);

describe("the list of sessions", () => {
  test("is filtered by state, instrument, account, strategy and a part of the name, the code or the id", async () => {
    const [alpha = "", beta = ""] = await named("Alpha", "beta 100%", "Gamma");
    await force(alpha, "RUNNING");
    await database.db
      .sql`update reference.sessions set session = jsonb_set(session, '{instrumentIds}', '["NDX/USD.paper"]'),
      account_id = 'other' where id = ${beta}`;
    expect(await names("state=RUNNING")).toEqual(["Alpha"]);
    expect(await names("instrumentId=NDX/USD.paper")).toEqual(["beta 100%"]);
    expect(await names("accountId=demo")).toEqual(["Alpha", "Gamma"]);
    expect(await names("strategy=sma-cross&state=CREATED&accountId=demo")).toEqual(["Gamma"]);
    expect(await names("strategy=other")).toEqual([]);
    expect(await names("text=AMM")).toEqual(["Gamma"]);
    expect(await names("text=0%25")).toEqual(["beta 100%"]);
    expect(await names("text=_")).toEqual([]);
    const { code } = (await replica.call({ path: `/${alpha}` })).body as unknown as { code: string };
    expect(await names(`text=${code.slice(0, 6)}`)).toEqual(["Alpha"]);
    expect(await names(`text=${alpha.toUpperCase()}`)).toEqual(["Alpha"]);
  });

  test.each([
    ["sort=name", ["alpha", "Beta", "Éclair", "gamma"]],
    ["sort=name&order=desc", ["gamma", "Éclair", "Beta", "alpha"]],
    ["sort=createdAt", ["gamma", "alpha", "Éclair", "Beta"]],
    ["order=desc", ["Beta", "Éclair", "alpha", "gamma"]],
    ["sort=updatedAt&order=desc", ["alpha", "Beta", "Éclair", "gamma"]],
    ["sort=state", ["alpha", "gamma", "Éclair", "Beta"]],
  ])("is sorted by %s, the same page by page", async (query, expected) => {
    const ids = await named("gamma", "alpha", "Éclair", "Beta");
    await replica.clock.advance(1);
    await replica.call({
      method: "PATCH",
      path: `/${ids[1]}`,
      body: { stopPolicy: "cancel" },
      headers: { "if-match": "*" },
    });
    for (const [index, state] of ["PAUSED", "CREATED", "RUNNING", "STOPPED"].entries())
      await force(ids[index] ?? "", state);
    const sorted = query === "sort=name" || query.startsWith("sort=name&") ? byLowerCase(expected, query) : expected;
    expect(await names(query)).toEqual(sorted);
    const paged: string[] = [];
    for (let cursor = ""; ; ) {
      const page = await listed(`${query}&limit=1${cursor}`);
      paged.push(...page.items.map(({ name }) => name));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(paged).toEqual(sorted);
  });

  /** Letters beyond a-z come behind them, as their bytes do. */
  function byLowerCase(some: readonly string[], query: string): string[] {
    const bytes = (text: string) => Buffer.from(text.toLowerCase());
    const sorted = [...some].toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)));
    return query.endsWith("desc") ? sorted.reverse() : sorted;
  }

  test("refuses a cursor of another order, a state that is none, and what is not known", async () => {
    await named("a", "b");
    const { nextCursor } = await listed("limit=1");
    for (const query of [`sort=name&cursor=${nextCursor}`, "state=DELETED", "sort=size", "order=up", "stat=RUNNING"])
      expect((await replica.call({ path: `?${query}` })).status).toBe(422);
  });
});

describe("a copy", () => {
  const copy = (id: string, body?: object, headers: Record<string, string> = {}) =>
    replica.call({ method: "POST", path: `/${id}/copy`, body, headers });

  test("is a new session like the other one, with what is given otherwise", async () => {
    const [id = ""] = await named("first");
    await force(id, "RUNNING");
    const source = (await replica.call({ path: `/${id}` })).body;
    const plain = await copy(id);
    expect(plain.status).toBe(201);
    const { denials: _none, ...rest } = source;
    const own = { id: expect.any(String), code: expect.any(String), version: 1, run: 0, state: "CREATED" };
    const times = { createdAtMs: expect.any(Number), updatedAtMs: expect.any(Number) };
    expect(plain.body).toEqual({ ...rest, ...own, ...times, name: "Copy of first" } as unknown as Called["body"]);
    expect(plain.body.id).not.toBe(id);
    const other = await copy(id, {
      name: "second",
      params: { fast: 7 },
      instrumentIds: ["NDX/USD.paper"],
      capital: "5",
    });
    expect(other.body).toMatchObject({
      name: "second",
      params: { fast: 7, slow: 30 },
      instrumentIds: ["NDX/USD.paper"],
      capital: "5",
    });
    expect((await replica.call({ path: `/${id}` })).body).toEqual(source);
  });

  test("is one for a key, is checked as a new session is, and is of one that there is", async () => {
    const [id = ""] = await named("x".repeat(100));
    const key = { "idempotency-key": "copy" };
    const [one, two] = [await copy(id, {}, key), await copy(id, {}, key)];
    expect(two.body.id).toBe(one.body.id);
    expect(one.body.name).toBe(`Copy of ${"x".repeat(92)}`);
    expect((await copy(id, { name: "other" }, key)).status).toBe(422);
    expect((await copy(id, { instrumentIds: ["BTC/USDT.binance"] })).body.errors).toMatchObject([
      { field: "instrumentIds.0" },
    ]);
    expect((await copy(id, { state: "RUNNING" })).status).toBe(422);
    expect((await copy(crypto.randomUUID())).status).toBe(404);
  });
});

describe("a bulk", () => {
  const bulk = async (body: object, headers: Record<string, string> = {}) => {
    const { status, body: answer } = await replica.call({ method: "POST", path: "/bulk", body, headers });
    return { status, answer: answer as unknown as BulkAnswer };
  };

  test("asks each session, and says of each what became of it", async () => {
    const [one = "", two = "", three = ""] = await named("one", "two", "three");
    await force(two, "RUNNING");
    const gone = crypto.randomUUID();
    const { answer } = await bulk({ action: "start", ids: [one, two, one.toUpperCase(), gone, three] });
    expect(answer).toMatchObject({ done: 2, refused: 2, failed: 0 });
    expect(answer.items.map(({ id, outcome, state, code }) => [id, outcome, state, code])).toEqual([
      [one, "done", "STARTING", null],
      [two, "refused", null, "CONFLICT"],
      [gone, "refused", null, "NOT_FOUND"],
      [three, "done", "STARTING", null],
    ]);
    expect(answer.items[1]?.detail).toContain("The session is RUNNING: stop it first");
  });

  test("takes those that a filter fits, and under a key the same ones again, each asked once", async () => {
    const ids = await named("one", "two", "three");
    const key = { "idempotency-key": "all" };
    const wish = { action: "start", filter: { state: "CREATED" } };
    const first = await bulk(wish, key);
    expect(first.answer).toMatchObject({ done: 3, refused: 0 });
    // None of them is CREATED any more, and one more is.
    await named("four");
    const again = await bulk(wish, key);
    expect(again.answer).toEqual(first.answer);
    expect(again.answer.items.map(({ id }) => id)).toEqual(ids);
    expect((await replica.call({ path: `/${ids[0]}` })).body.run).toBe(1);
    expect((await bulk({ action: "stop", filter: {} }, key)).status).toBe(422);
    const stopped = await bulk({ action: "stop", filter: { state: "STARTING" }, stopPolicy: "flatten" });
    expect(stopped.answer).toMatchObject({ done: 3 });
    expect((await replica.call({ path: `/${ids[2]}` })).body).toMatchObject({
      state: "STOPPING",
      stopPolicy: "flatten",
    });
  });

  test.each([
    [{ action: "start" }],
    [{ action: "start", ids: [], filter: {} }],
    [{ action: "start", ids: [crypto.randomUUID()], filter: {} }],
    [{ action: "pause", filter: {}, stopPolicy: "keep" }],
    [{ action: "delete", filter: {} }],
    [{ action: "start", filter: { nmae: "x" } }],
    [{ action: "start", ids: Array.from({ length: 501 }, () => crypto.randomUUID()) }],
  ])("of %j is refused", async (body) => {
    expect((await bulk(body)).status).toBe(422);
  });

  test("of a filter that fits more than it takes is refused, and asks none", async () => {
    const [id = ""] = await named("one");
    await database.db.sql`insert into reference.sessions
      select gen_random_uuid()::text, 'c' || n, state, run, version, partition, account_id, session, created_at_ms, updated_at_ms
      from reference.sessions, generate_series(1, 500) n`;
    const { status, answer } = await bulk({ action: "start", filter: {} });
    expect([status, (answer as unknown as Called["body"]).errors?.[0]?.field]).toEqual([422, "filter"]);
    expect((await replica.call({ path: `/${id}` })).body.state).toBe("CREATED");
  });
});

describe("the history of a session", () => {
  const history = async (id: string, query = "") => {
    const { status, body } = await replica.call({ path: `/${id}/events${query}` });
    return { status, items: body.items as unknown as SessionEvent[], nextCursor: body.nextCursor };
  };

  test("has each change with who, when, why and what, page by page, also once it is deleted", async () => {
    const eve = { "x-forwarded-user": "eve" };
    const { id } = (await replica.create(eve)).body;
    const act = (action: string) => replica.call({ method: "POST", path: `/${id}/${action}`, headers: eve });
    await replica.clock.advance(5);
    await replica.call({
      method: "PATCH",
      path: `/${id}`,
      body: { name: "x", capital: "7" },
      headers: { "if-match": "*" },
    });
    await act("start");
    const report = createReportTaker(
      { bus, clock: replica.clock, log: pino({ level: "silent" }) },
      createStore(database.db),
    );
    const tell = (type: string, source: string, data: object) =>
      database.db.transaction((tx) =>
        report(tx, [{ id: "e", key: id, type, source, data: { sessionId: id, run: 1, atMs: 1, ...data } } as never]),
      );
    await tell("report.waiting", "strategy-executor", { until: "warm", reason: "No candles." });
    await tell("report.warm", "strategy-executor", { candleN: 1 });
    await tell("report.reconciled", "order-position-tracker", {});
    await tell("report.degraded", "data-collect", { code: "FEED_STALE", sinceMs: 1, text: "No bar came." });
    await tell("report.restored", "data-collect", { code: "FEED_STALE" });
    await act("pause");
    await act("resume");
    await tell("report.faulted", "strategy-executor", { reason: "It threw." });
    await act("stop");
    await tell("report.stopped", "order-position-tracker", { reason: null });
    await replica.call({ method: "DELETE", path: `/${id}` });
    const { items } = await history(id);
    expect(
      items.map(({ kind, state, by, cause, reason, what }) => [kind, state, by, cause, reason, what.join()]),
    ).toEqual([
      ["created", "CREATED", "eve", "create", null, ""],
      ["changed", "CREATED", "local", "change", null, "name,capital"],
      [
        "started",
        "STARTING",
        "eve",
        "start",
        "Waits until its strategy is warm and its account is compared with the venue's.",
        "",
      ],
      ["waiting", "STARTING", "strategy-executor", "report.waiting", "No candles.", ""],
      [
        "waiting",
        "STARTING",
        "strategy-executor",
        "report.warm",
        "Waits until its strategy is warm and its account is compared with the venue's.",
        "",
      ],
      ["running", "RUNNING", "order-position-tracker", "report.reconciled", null, ""],
      ["degraded", "RUNNING", "data-collect", "report.degraded", "No bar came.", "FEED_STALE"],
      ["restored", "RUNNING", "data-collect", "report.restored", null, "FEED_STALE"],
      ["paused", "PAUSED", "eve", "pause", null, ""],
      ["resumed", "RUNNING", "eve", "resume", null, ""],
      ["faulted", "FAULTED", "strategy-executor", "report.faulted", "It threw.", ""],
      ["stopping", "STOPPING", "eve", "stop", null, ""],
      ["stopped", "STOPPED", "order-position-tracker", "report.stopped", null, ""],
      ["deleted", "DELETED", "local", "delete", null, ""],
    ]);
    expect(items.map(({ version }) => version)).toEqual(items.map((_one, index) => index + 1));
    expect(items[1]?.atMs).toBe((items[0]?.atMs ?? 0) + 5);
    const first = await history(id, "?limit=13");
    expect((await history(id, `?cursor=${first.nextCursor}`)).items).toEqual(items.slice(13));
    expect((await history(crypto.randomUUID())).status).toBe(404);
  });

  test("has a change that was refused or asked for again under its key not, and is removed once it is old", async () => {
    const key = { "idempotency-key": "k" };
    const { id } = (await replica.create(key)).body;
    await replica.create(key);
    await replica.call({ method: "POST", path: `/${id}/pause` });
    expect((await history(id)).items.map(({ kind }) => kind)).toEqual(["created"]);
    await removeEvents(database.db.sql, replica.clock.nowMs());
    expect((await history(id)).items).toHaveLength(1);
    await removeEvents(database.db.sql, replica.clock.nowMs() + 1);
    expect(await history(id)).toMatchObject({ status: 200, items: [] });
  });
});
