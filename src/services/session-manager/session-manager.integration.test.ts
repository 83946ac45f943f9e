import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Bus, OutgoingEvent } from "#shared/bus/bus.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { SESSIONS } from "#shared/messages/topics.ts";
import { type Called, createReplica, type Replica } from "./session-manager.fixture.ts";

let database: TestDatabase;
let published: OutgoingEvent[] = [];
let replica: Replica;

/** The bus itself is not what is tested here: it keeps what the transactions tell. */
const bus = {
  partitionOf: () => 3,
  publish: (_tx: unknown, events: OutgoingEvent[]) => void published.push(...events),
} as unknown as Bus;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});
beforeEach(async () => {
  published = [];
  await database.db
    .sql`truncate reference.sessions, reference.risk_states, session_manager.readiness, session_manager.idempotency_keys`;
  replica = createReplica(database.db, bus);
});

async function act(id: string, action: string, headers: Record<string, string> = {}): Promise<Called> {
  return replica.call({ method: "POST", path: `/${id}/${action}`, headers });
}

async function force(id: string, state: string): Promise<void> {
  await database.db.sql`update reference.sessions set state = ${state},
    session = jsonb_set(session, '{state}', to_jsonb(${state}::text)) where id = ${id}`;
}

const fieldsOf = (called: Called) => called.body.errors?.map((error) => error.field);

describe("while risk has HALTED it", () => {
  test.each([
    [
      "session",
      (id: string) => `session:${id}`,
      /^The session \S+ is HALTED since \S+: killed by me\. POST \/api\/risk-manager\/release with \{"session":"\S+"\} ends that first\.$/,
    ],
    [
      "account",
      () => "account:demo",
      /^The account demo is HALTED .* PUT \/api\/risk-manager\/accounts\/demo\/trading-state with/,
    ],
    [
      "all",
      () => "all",
      /^All accounts are HALTED .* POST \/api\/risk-manager\/release with \{"all":true\} ends that first\.$/,
    ],
  ])("by its %s it is neither started nor resumed, and says what ends that", async (_what, scopeOf, says) => {
    const { id } = (await replica.create()).body;
    await database.db.sql`insert into reference.risk_states values (${scopeOf(id)}, 3, null, 'killed by me', 1)`;
    const refused = await act(id, "start");
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringMatching(says)]);
    await force(id, "PAUSED");
    expect((await act(id, "resume")).status).toBe(409);
    await database.db.sql`update reference.risk_states set level = 2`;
    expect((await act(id, "resume")).status).toBe(200);
    expect((await act(id, "pause")).status).toBe(200);
  });
});

describe("creating a session", () => {
  test("fills in the strategy's parameters and tells of it", async () => {
    const { status, etag, body } = await replica.create();
    expect(status).toBe(201);
    expect(etag).toBe('"1"');
    expect(body).toMatchObject({
      state: "CREATED",
      run: 0,
      partition: 3,
      strategyVersion: "1.0.0",
      stopPolicy: "keep",
    });
    expect(body.params).toEqual({ fast: 5, slow: 30 });
    expect(body.code).toMatch(/^[a-z0-9]{8}$/);
    expect(SESSIONS.schemas["session.changed"].parse(published[0]?.data)).toEqual({ from: null, session: body });
    const denials = { count: 0, last: null };
    expect((await replica.call({ path: `/${body.id}` })).body).toEqual({ ...body, denials });
  });

  test.each([
    [{ strategy: "gold" }, ["strategy"]],
    [{ name: "\r\n" }, ["name"]],
    [{ name: "\u200b" }, ["name"]],
    [{ name: "a\u202eb" }, ["name"]],
    [{ params: { fast: "5" } }, ["params.fast"]],
    [{ instrumentIds: ["ABC/USD.nowhere"] }, ["instrumentIds.0"]],
    [{ instrumentIds: ["SPX/USD.paper", "BTC/USDT.binance"] }, ["instrumentIds"]],
    [{ instrumentIds: ["BTC/USDT.binance"] }, ["instrumentIds.0"]],
    [{ accountId: "nobody", strategy: "gold" }, ["accountId", "strategy"]],
    [{ accountId: "" }, ["accountId"]],
    [{ accountId: ".." }, ["accountId"]],
    [{ strategy: "", instrumentIds: [""] }, ["strategy", "instrumentIds.0"]],
    [{ capital: "-1" }, ["capital"]],
    [{ capital: "1000000000000000" }, ["capital"]],
    [{ timeFrame: "1h" }, ["timeFrame"]],
    [{ riskPolicy: { sizing: { method: "percent-of-equity", percent: "100.1" } } }, ["riskPolicy.sizing.percent"]],
    [{ riskPolicy: { sizing: { method: "fixed-size", size: "0.00015" } } }, ["riskPolicy.sizing.size"]],
    [
      { riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" }, maxOrderNotionl: "1" } },
      ["riskPolicy.maxOrderNotionl"],
    ],
    [{ riskPolicy: { sizing: { method: "percent-of-equity", percent: "95", size: "1" } } }, ["riskPolicy.sizing.size"]],
    [{ colour: "red", shape: 1 } as object, ["colour", "shape"]],
  ])("refuses %p and names %p", async (more, fields) => {
    const called = await replica.create({}, more as object);
    expect(called.status).toBe(422);
    expect(fieldsOf(called)).toEqual(fields);
    expect((await replica.call({})).body.items).toEqual([]);
  });

  test("is 503 while a service that knows does not answer, and changes nothing", async () => {
    replica.world.down = true;
    expect((await replica.create({ "idempotency-key": "k" })).status).toBe(503);
    replica.world.down = false;
    expect((await replica.create({ "idempotency-key": "k" })).status).toBe(201);
  });
});

describe("reading sessions", () => {
  test("pages through all of them in the order of creation", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push((await replica.create()).body.id);
      if (n % 2 === 0) await replica.clock.advance(1);
    }
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: Called = await replica.call({ path: `?limit=2${cursor && `&cursor=${cursor}`}` });
      seen.push(...page.body.items.map((session) => session.id));
      cursor = page.body.nextCursor;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect(new Set(seen).size).toBe(5);
  });

  test("is 404 for one that is not there and 422 for a cursor that is not ours", async () => {
    expect((await replica.call({ path: `/${crypto.randomUUID()}` })).status).toBe(404);
    expect((await replica.call({ path: "/no-id" })).status).toBe(422);
    expect((await replica.call({ path: "?cursor=zzz" })).status).toBe(422);
  });
});

describe("asking something of a session", () => {
  test("moves it by the state table and names what is allowed", async () => {
    const { id } = (await replica.create()).body;
    const refused = await act(id, "pause");
    expect(refused.status).toBe(409);
    expect(refused.body.allowed).toEqual(["start", "delete"]);
    expect((await act(id, "start")).body).toMatchObject({ state: "STARTING", run: 1, version: 2 });
    await force(id, "RUNNING");
    expect((await act(id, "pause")).body.state).toBe("PAUSED");
    expect((await act(id, "resume")).body.state).toBe("RUNNING");
    expect((await act(id, "stop")).body.state).toBe("STOPPING");
    const [row] = await database.db.sql`select state, run, version from reference.sessions`;
    expect(row).toEqual({ state: "STOPPING", run: 1, version: 5 });
    expect(published).toHaveLength(5);
  });

  test("stops by the policy that a stop is told, which is the session's from then on, or by its own", async () => {
    const { id } = (await replica.create({}, { stopPolicy: "cancel" })).body;
    const stop = (body?: unknown) => replica.call({ method: "POST", path: `/${id}/stop`, body });
    await force(id, "RUNNING");
    expect(fieldsOf(await stop({ stopPolicy: "sell" }))).toEqual(["stopPolicy"]);
    expect(fieldsOf(await stop({ policy: "keep" }))).toEqual(["policy"]);
    expect((await stop({})).body).toMatchObject({ state: "STOPPING", stopPolicy: "cancel" });
    await force(id, "PAUSED");
    expect((await stop({ stopPolicy: "flatten" })).body).toMatchObject({ state: "STOPPING", stopPolicy: "flatten" });
    expect(published.at(-1)?.data).toMatchObject({ session: { state: "STOPPING", stopPolicy: "flatten" } });
    expect((await stop({ stopPolicy: "keep" })).body.detail).toContain("a PATCH of stopPolicy changes");
    expect((await replica.call({ path: `/${id}` })).body.stopPolicy).toBe("flatten");
  });

  test("a repeated stop of another policy is another request", async () => {
    const { id } = (await replica.create()).body;
    await force(id, "RUNNING");
    const stop = (stopPolicy: string) =>
      replica.call({ method: "POST", path: `/${id}/stop`, body: { stopPolicy }, headers: { "idempotency-key": "k" } });
    expect((await stop("flatten")).status).toBe(200);
    expect((await stop("flatten")).body).toMatchObject({ state: "STOPPING", stopPolicy: "flatten" });
    expect((await stop("keep")).status).toBe(422);
  });

  test.each([
    ["RUNNING", "start", "The session is RUNNING: stop it first; it takes pause, stop."],
    ["PAUSED", "start", "The session is PAUSED: resume it, or stop it first; it takes resume, stop."],
    ["CREATED", "pause", "The session is CREATED: start it first; it takes start, delete."],
    ["STARTING", "pause", "The session is STARTING: wait until it is RUNNING; it takes stop."],
    ["STOPPING", "start", "The session is STOPPING: wait until it is STOPPED; nothing may be asked of it now."],
    ["STOPPED", "stop", "The session is STOPPED: it is stopped already; it takes start, delete."],
  ])("in %s says which step comes before %s", async (state, action, detail) => {
    const { id } = (await replica.create()).body;
    await force(id, state);
    expect((await act(id, action)).body.detail).toBe(detail);
  });

  test("says what comes before a delete", async () => {
    const { id } = (await replica.create()).body;
    await force(id, "FAULTED");
    const refused = await replica.call({ method: "DELETE", path: `/${id}` });
    expect(refused.body.detail).toBe("The session is FAULTED: stop it first; it takes start, stop.");
  });

  test("takes If-Match where it is given", async () => {
    const { id } = (await replica.create()).body;
    expect((await act(id, "start", { "if-match": '"7"' })).status).toBe(412);
    expect((await act(id, "start", { "if-match": '"7", "1"' })).status).toBe(200);
  });

  test("refuses to delete a session with a position, and forgets one without", async () => {
    const { id } = (await replica.create()).body;
    replica.world.exposure = { openOrders: 0, positions: 1 };
    expect((await replica.call({ method: "DELETE", path: `/${id}` })).status).toBe(409);
    replica.world.exposure = { openOrders: 0, positions: 0 };
    expect((await replica.call({ method: "DELETE", path: `/${id}` })).status).toBe(204);
    expect((await replica.call({ path: `/${id}` })).status).toBe(404);
    expect((await replica.call({})).body.items).toEqual([]);
    expect(published.at(-1)?.data).toMatchObject({ from: "CREATED", session: { state: "DELETED" } });
  });
});

describe("a session of which something is dead", () => {
  test("is not deleted before that is decided, and the refusal says where", async () => {
    const { id } = (await replica.create()).body;
    const deadId = crypto.randomUUID();
    const { sql } = database.db;
    await sql`
      insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, error, raw, next_try_at)
      values (${deadId}, 'risk-manager', 'orders', 0, 7, ${id}, 'dead', 30, 'no', '', now())`;
    const refused = await replica.call({ method: "DELETE", path: `/${id}` });
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toContain(`GET /api/risk-manager/dead/${deadId}`);
    await sql`delete from bus.parked`;
    expect((await replica.call({ method: "DELETE", path: `/${id}` })).status).toBe(204);
  });
});

describe("changing a session", () => {
  const change = (id: string, body: unknown, ifMatch?: string) =>
    replica.call({
      method: "PATCH",
      path: `/${id}`,
      body,
      headers: ifMatch === undefined ? {} : { "if-match": ifMatch },
    });

  test("needs the version that is meant", async () => {
    const { id } = (await replica.create()).body;
    expect((await change(id, { name: "b" })).status).toBe(428);
    expect((await change(id, { name: "b" }, '"2"')).status).toBe(412);
    const changed = await change(id, { name: "b" }, '"1"');
    expect(changed).toMatchObject({ status: 200, etag: '"2"', body: { name: "b", capital: "10000" } });
  });

  test("changes what is free in a running session alone", async () => {
    const { id } = (await replica.create()).body;
    await force(id, "RUNNING");
    expect((await change(id, { capital: "5" }, "*")).status).toBe(409);
    expect((await change(id, { stopPolicy: "flatten" }, "*")).body.stopPolicy).toBe("flatten");
  });

  test("measures a running session's new policy at its instrument, and does not ask about its strategy", async () => {
    const { id } = (await replica.create()).body;
    await force(id, "RUNNING");
    replica.world.strategyVersion = "2.0.0";
    const fixed = (size: string) => ({ riskPolicy: { sizing: { method: "fixed-size", size } } });
    expect(fieldsOf(await change(id, fixed("0.00015"), "*"))).toEqual(["riskPolicy.sizing.size"]);
    expect((await change(id, fixed("0.0002"), "*")).body).toMatchObject({
      ...fixed("0.0002"),
      strategyVersion: "1.0.0",
    });
  });

  test("asks again about what other services know", async () => {
    const { id } = (await replica.create()).body;
    expect(fieldsOf(await change(id, { params: { fast: "x" } }, "*"))).toEqual(["params.fast"]);
    expect((await change(id, { params: { slow: 40 } }, "*")).body.params).toEqual({ fast: 10, slow: 40 });
    expect(fieldsOf(await change(id, { timeFrame: "1h" }, "*"))).toEqual(["timeFrame"]);
    expect((await change(id, {}, "*")).status).toBe(422);
  });

  test("takes a newer version of its strategy and keeps its parameters, unless they are given", async () => {
    const { id } = (await replica.create()).body;
    replica.world.strategyVersion = "2.0.0";
    const kept = await change(id, { strategy: "sma-cross" }, "*");
    expect(kept.body).toMatchObject({ strategyVersion: "2.0.0", params: { fast: 5, slow: 30 } });
    const given = await change(id, { strategy: "sma-cross", params: { fast: 7 } }, "*");
    expect(given.body.params).toEqual({ fast: 7, slow: 30 });
  });

  test("says so where the kept parameters are none of the strategy's any more", async () => {
    const { id } = (await replica.create()).body;
    await database.db.sql`update reference.sessions set
      session = jsonb_set(session, '{params}', '{"fast": "old"}') where id = ${id}`;
    const refused = await change(id, { strategy: "sma-cross" }, "*");
    expect(fieldsOf(refused)).toEqual(["params.fast"]);
    expect(refused.body.detail).toBe(
      "The session keeps its params, and sma-cross does not take them: params.fast must be a number. Give params with the change.",
    );
    expect((await change(id, { strategy: "sma-cross", params: { fast: "x" } }, "*")).body.detail).toBe(
      "Some fields are not as they should be.",
    );
    expect((await change(id, { strategy: "sma-cross", params: { fast: 6 } }, "*")).status).toBe(200);
  });

  test("is refused in a session at work with the step that comes first", async () => {
    const { id } = (await replica.create()).body;
    await force(id, "RUNNING");
    expect((await change(id, { capital: "7" }, "*")).body.detail).toBe(
      "The session is RUNNING: capital may change while it is CREATED or STOPPED only; stop it first.",
    );
    await force(id, "STOPPING");
    expect((await change(id, { capital: "7" }, "*")).body.detail).toEndWith("only; wait until it is STOPPED.");
  });

  test.each([
    ["instrumentIds", ["NDX/USD.paper"]],
    ["accountId", "other"],
    ["timeFrame", "1h"],
  ])("changes %s before the first start alone, also of a session without a position", async (field, value) => {
    const { id } = (await replica.create()).body;
    await force(id, "STOPPED");
    const refused = await change(id, { [field]: value, capital: "7" }, "*");
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toBe(
      `The session is STOPPED: ${field} may change before its first start only; make a new session.`,
    );
    expect((await change(id, { capital: "7" }, "*")).status).toBe(200);
  });

  test("made twice on one version is made once", async () => {
    const { id } = (await replica.create()).body;
    const both = await Promise.all([change(id, { name: "b" }, '"1"'), change(id, { name: "c" }, '"1"')]);
    expect(both.map((called) => called.status).toSorted((a, b) => a - b)).toEqual([200, 412]);
  });
});
