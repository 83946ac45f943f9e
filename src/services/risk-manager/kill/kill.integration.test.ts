import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  ACCOUNT,
  EXIT,
  fillOf,
  flattenWish,
  riskSession,
  sent,
  World,
} from "#services/risk-manager/risk-manager.fixture.ts";
import { lockContext } from "#services/risk-manager/store.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putAccount, putSession } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { KillDeps } from "./kill.ts";
import { createKillRoutes } from "./kill-routes.ts";

let world: World;
let routes: ReturnType<typeof createKillRoutes>;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  await putAccount(world.database.db.sql, "other", "paper");
  routes = createKillRoutes(world.ports as unknown as KillDeps, world.ports.log);
  await world.start();
  await world.start();
});
beforeEach(async () => {
  const { sql } = world.database.db;
  await sql`delete from reference.risk_states`;
  await sql`update risk_manager.kills set ended_at_ms = 1 where ended_at_ms is null`;
  await sql`delete from alerts.open`;
  await sql`delete from queue.tasks where type = 'flatten-session'`;
  await sql`update reference.sessions set state = 'DELETED'`;
  await world.putAccount("ACTIVE");
});
afterAll(async () => {
  await world.close();
});

interface Answer {
  status: number;
  body: Record<string, unknown> & { id: string };
}

async function ask(path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  const method = body === undefined ? "GET" : path.endsWith("trading-state") ? "PUT" : "POST";
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const request = new Request(`http://localhost/api/risk-manager${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...json,
  });
  const answer = await routes.handle(request);
  const text = await answer.text();
  return { status: answer.status, body: (text === "" ? {} : JSON.parse(text)) as Answer["body"] };
}

const put = (more: Partial<Session> = {}) => putSession(world.database.db.sql, riskSession(more));
const kill = async (body: object, headers?: Record<string, string>) => {
  const answer = await ask("/kill", body, headers);
  expect(answer.status).toBe(202);
  return answer.body;
};

/** Awaits the decision of a session's next signal. */
async function decide(session: Session, more: Parameters<typeof signalOf>[1] = {}) {
  const signal = signalOf(session, more);
  await world.signal(signal);
  return until(async () => (await world.decisions(session.id)).find(({ signal_id: id }) => id === signal.id));
}

/** A session that has bought ten at 100 and been told so. */
async function holding(): Promise<Session> {
  const session = await put();
  await decide(session);
  const [order] = await world.placed(session.id);
  if (order === undefined) throw new Error("No order was made.");
  await world.tell(sent(order), fillOf(order, session.id, "10"));
  await until(async () => (await world.reserved(order.id)) === null);
  return session;
}

/** Tells that a session is flat, as order-position-tracker does. */
const tellFlat = (killId: string, sessionId: string, left: string | null = null) =>
  world.database.db.sql`
    insert into order_position_tracker.flattened values (${killId}, ${sessionId}, ${left}, ${Date.now()})`;

const flattenTasks = async (killId: string) => {
  const rows = await world.database.db.sql<{ lane: string }[]>`
    select lane from queue.tasks where type = 'flatten-session' and payload ->> 'killId' = ${killId} and priority = 0`;
  return rows.map(({ lane }) => lane).toSorted();
};

/** Awaits that a statement with such a text waits for a lock. */
const waiting = (text: string) =>
  until(async () => {
    const found = await world.database.db.sql`
      select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like ${`%${text}%`}
        and datname = current_database()`;
    return found.length > 0;
  });

describe("a kill", () => {
  test("of an account has a task for each session that may hold something, stops those at work, and raises one alert", async () => {
    const [running, paused, stopped, faulted] = await Promise.all(
      (["RUNNING", "PAUSED", "STOPPED", "FAULTED"] as const).map((state) => put({ state })),
    );
    const bare = await put({ state: "STOPPED" });
    await world.database.db.sql`
      insert into order_position_tracker.positions (session_id, instrument_id, account_id, size, realized_profit, fees, updated_at_ms)
      values (${stopped?.id ?? ""}, ${spx.id}, ${ACCOUNT}, 1, 0, '{}', 1), (${bare.id}, ${spx.id}, ${ACCOUNT}, 0, 0, '{}', 1)`;
    const created = await put({ state: "CREATED", run: 0 });
    const elsewhere = await put({ accountId: "other" });
    const killed = await kill({ account: ACCOUNT, reason: "Enough." }, { "x-forwarded-user": "eve" });
    expect(killed).toMatchObject({
      scope: "account:demo",
      caller: "eve",
      reason: "Enough.",
      state: "FLATTENING",
      sessions: 4,
      flat: 0,
      flatAtMs: null,
      endedAtMs: null,
    });
    const concerned = [running, paused, stopped, faulted].map((one) => one?.id ?? "");
    expect(await flattenTasks(killed.id)).toEqual(concerned.toSorted());
    const told = async (session: Session | undefined) =>
      (await world.told("session-reports", session?.id ?? "")).map(({ type, data }) => [type, data["reason"]]);
    expect(await told(running)).toEqual([["report.killed", "It was killed by eve: Enough."]]);
    expect(await told(paused)).toHaveLength(1);
    for (const one of [stopped, faulted, bare, created, elsewhere]) expect(await told(one)).toEqual([]);
    const alerts = await world.database.db.sql<{ scope: string; code: string; text: string }[]>`
      select scope, code, text from alerts.open`;
    expect([...alerts]).toEqual([
      {
        scope: "account:demo",
        code: "KILLED",
        text: expect.stringContaining("The account demo is HALTED: killed by eve: Enough. GET"),
      },
    ]);
  });

  test.each(["session", "account", "all"] as const)(
    "of %s denies entries and exits of its sessions from its answer on",
    async (what) => {
      const session = await holding();
      const [sibling, elsewhere] = [await put(), await put({ accountId: "other" })];
      await kill(
        what === "session" ? { session: session.id } : what === "account" ? { account: ACCOUNT } : { all: true },
      );
      expect(await decide(session, { number: 2 })).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
      expect(await decide(session, { number: 3, intent: EXIT })).toMatchObject({ code: "RISK_HALTED" });
      const halted = { kind: "denied", code: "RISK_HALTED" };
      expect(await decide(sibling)).toMatchObject(what === "session" ? { kind: "approved" } : halted);
      expect(await decide(elsewhere)).toMatchObject(what === "all" ? halted : { kind: "approved" });
    },
  );

  test("waits for a decision that has read that nothing is held back, and one that comes meanwhile is denied", async () => {
    const session = await put();
    const [read, decided] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { db } = world.database;
    const first = db.transaction(async (tx) => {
      const context = await lockContext(tx, signalOf(session), 1);
      read.resolve();
      await decided.promise;
      return context.risk;
    });
    await read.promise;
    // It holds no lock of the session of the first: what it waits for is the state of risk alone.
    const [other, killed] = [await put({ accountId: "other" }), kill({ all: true })];
    await waiting("lock table reference.risk_states");
    const second = decide(other);
    await waiting("risk_manager.");
    expect(await flattenTasks("none")).toEqual([]);
    decided.resolve();
    expect(await first).toBeNull();
    await killed;
    expect(await second).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
  });

  test("that is asked for many times at once under one key is one; another content under it is refused", async () => {
    const session = await put();
    const key = { "idempotency-key": crypto.randomUUID() };
    const killed = await Promise.all(Array.from({ length: 10 }, () => kill({ session: session.id }, key)));
    expect(new Set(killed.map(({ id }) => id)).size).toBe(1);
    expect(await flattenTasks(killed[0]?.id ?? "")).toEqual([session.id]);
    const other = await ask("/kill", { all: true }, key);
    expect(other.status).toBe(422);
    expect(JSON.stringify(other.body["errors"])).toContain("headers.idempotency-key");
    const again = await kill({ session: session.id });
    expect(again.id).not.toBe(killed[0]?.id);
  });

  test("is FLAT once each of its sessions is, with what is left; one of nothing is FLAT at once", async () => {
    const [one, two] = [await put(), await put()];
    const { id } = await kill({ account: ACCOUNT });
    await tellFlat(id, one.id, "0.1 SPX is left.");
    expect((await ask(`/kill/${id}`)).body).toMatchObject({
      state: "FLATTENING",
      flat: 1,
      notFlat: [{ sessionId: two.id, state: "FLATTENING", waits: null }],
    });
    await tellFlat(id, two.id);
    expect((await ask(`/kill/${id}`)).body).toMatchObject({ state: "FLAT", notFlat: [], flatAtMs: expect.any(Number) });
    const { items } = (await ask(`/kill/${id}/sessions`)).body as unknown as {
      items: { sessionId: string; left: string | null }[];
    };
    expect(items.find(({ sessionId }) => sessionId === one.id)).toMatchObject({
      state: "FLAT",
      left: "0.1 SPX is left.",
    });
    const created = await put({ state: "CREATED", run: 0 });
    expect(await kill({ session: created.id })).toMatchObject({
      state: "FLAT",
      sessions: 0,
      flatAtMs: expect.any(Number),
    });
  });

  test.each([
    [{}, 422],
    [{ session: crypto.randomUUID(), all: true }, 422],
    [{ all: false }, 422],
    [{ account: "Nobody!" }, 422],
    [{ account: "nobody" }, 404],
    [{ session: crypto.randomUUID() }, 404],
  ])("of %j is refused with %d", async (body, status) => {
    expect((await ask("/kill", body)).status).toBe(status);
    expect(await world.database.db.sql`select 1 from reference.risk_states`).toHaveLength(0);
  });
});

describe("closing for a kill", () => {
  const flatten = async (session: Session, killId: string) => {
    await world.flatten({ ...flattenWish(session), killId });
    return world.outcome(session);
  };

  test("closes what a session holds whatever state it is in, once, and after the first one has ended again", async () => {
    const session = await holding();
    const { id } = await kill({ account: ACCOUNT });
    await world.change(session, { state: "STOPPED" });
    expect(await flatten(session, id)).toMatchObject({ decision: "approved" });
    expect(await flatten(session, id)).toMatchObject({ decision: "orders are under way" });
    const [, closing] = await world.placed(session.id);
    if (closing === undefined) throw new Error("Nothing was closed.");
    expect(closing).toMatchObject({ side: "SELL", size: "10", reduceOnly: true });
    expect(closing.signalId).toBe(`kill:${id}:${session.id}:${session.instrumentIds[0]}`);
    await world.tell(sent(closing), { kind: "state", to: "EXPIRED", reason: "no one buys" });
    await until(async () => (await world.reserved(closing.id)) === null);
    expect(await flatten(session, id)).toMatchObject({ decision: "approved" });
    expect(await world.placed(session.id)).toHaveLength(3);
  });

  test("ends with the halt, and of a kill that is none", async () => {
    const session = await holding();
    const { id } = await kill({ account: ACCOUNT });
    expect((await ask("/release", { account: ACCOUNT, abandon: true })).status).toBe(204);
    expect(await flatten(session, id)).toEqual({ decision: "not wanted any more" });
    expect(await flatten(session, "none")).toEqual({ decision: "not wanted any more" });
    expect((await ask(`/kill/${id}`)).body).toMatchObject({ state: "ABANDONED", notFlat: [{ state: "ABANDONED" }] });
  });

  test("says why it waits: the venue has halted the instrument, the account is halted by itself; and goes on after it", async () => {
    const session = await holding();
    const { id } = await kill({ session: session.id });
    const waits = async () =>
      ((await ask(`/kill/${id}`)).body as unknown as { notFlat: { waits: string | null }[] }).notFlat[0]?.waits;
    const { sql } = world.database.db;
    const status = (of: string) =>
      sql`update reference.instruments set instrument = jsonb_set(instrument, '{status}', ${sql.json(of)})`;
    await status("HALTED");
    expect(await flatten(session, id)).toEqual({ decision: "not trading" });
    expect(await waits()).toBe(`The venue has halted ${spx.id}: the position is closed once it trades again.`);
    await status("TRADING");
    await world.putAccount("HALTED");
    expect(await flatten(session, id)).toEqual({ decision: "denied", code: "ACCOUNT_HALTED" });
    expect(await waits()).toBe("Risk has denied it: ACCOUNT_HALTED: The account takes only cancels.");
    await world.putAccount("ACTIVE");
    expect(await flatten(session, id)).toMatchObject({ decision: "approved" });
    expect(await waits()).toBeNull();
    expect((await world.told("session-reports", session.id)).map(({ type }) => type)).toEqual(["report.killed"]);
  });
});

describe("the trading state of an account", () => {
  const PATH = `/accounts/${ACCOUNT}/trading-state`;

  test("REDUCING takes exits alone, HALTED nothing, ACTIVE all again; each is said with who and why", async () => {
    const session = await holding();
    expect((await ask(PATH)).body).toEqual({
      accountId: ACCOUNT,
      tradingState: "ACTIVE",
      reason: null,
      sinceMs: null,
      kills: [],
    } as never);
    const set = await ask(PATH, { tradingState: "REDUCING", reason: "News." }, { "x-forwarded-user": "eve" });
    expect(set.body).toMatchObject({
      tradingState: "REDUCING",
      reason: expect.stringMatching(/^The account demo is REDUCING since \S+Z: set by eve: News\.$/),
    });
    expect(await decide(session, { number: 2 })).toMatchObject({ kind: "denied", code: "RISK_REDUCING" });
    expect((await ask(PATH, { tradingState: "HALTED" })).body).toMatchObject({ tradingState: "HALTED" });
    expect(await decide(session, { number: 3, intent: EXIT })).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
    expect((await ask(PATH, { tradingState: "ACTIVE" })).body).toMatchObject({ tradingState: "ACTIVE", reason: null });
    expect(await decide(session, { number: 4, intent: EXIT })).toMatchObject({ kind: "approved" });
  });

  test("is HALTED by a kill, and ACTIVE again only once that is flat, or abandoned", async () => {
    const session = await put();
    const { id } = await kill({ account: ACCOUNT });
    expect((await ask(PATH)).body).toMatchObject({ tradingState: "HALTED", kills: [id] });
    for (const tradingState of ["ACTIVE", "REDUCING"]) {
      const refused = await ask(PATH, { tradingState });
      expect([refused.status, refused.body["detail"]]).toEqual([
        409,
        `The kill ${id} has not closed everything yet, 0 of its 1 sessions are flat: wait until GET /api/risk-manager/kill/${id} says FLAT, or ask again with "abandon": true, and what is left stays as it is.`,
      ]);
    }
    expect((await ask(PATH, { tradingState: "HALTED" })).body).toMatchObject({ kills: [id] });
    await tellFlat(id, session.id);
    const early = await ask(PATH, { tradingState: "ACTIVE" });
    expect([early.status, early.body["detail"]]).toEqual([
      409,
      '1 of the killed sessions would trade again at once: session-manager has not stopped them yet. Wait until it has, or ask again with "abandon": true.',
    ]);
    await put({ id: session.id, state: "STOPPED" });
    expect((await ask(PATH, { tradingState: "ACTIVE" })).body).toMatchObject({ tradingState: "ACTIVE", kills: [] });
    expect(await world.database.db.sql`select 1 from alerts.open`).toHaveLength(0);
    expect((await ask(`/kill/${id}`)).body).toMatchObject({ state: "FLAT", endedAtMs: expect.any(Number) });
  });

  test("cannot be made ACTIVE where all is killed, or the account is halted by itself; the list says so", async () => {
    await kill({ all: true });
    const byAll = await ask(PATH, { tradingState: "ACTIVE" });
    expect([byAll.status, byAll.body["detail"]]).toEqual([
      409,
      expect.stringContaining('POST /api/risk-manager/release {"all": true}'),
    ]);
    expect((await ask("/release", { all: true })).status).toBe(204);
    await world.putAccount("HALTED");
    const byItself = await ask(PATH, { tradingState: "ACTIVE" });
    expect([byItself.status, byItself.body["detail"]]).toEqual([409, expect.stringContaining("is HALTED by itself")]);
    const { items } = (await ask("/accounts?limit=1")).body as unknown as { items: unknown[] };
    expect(items).toMatchObject([{ accountId: ACCOUNT, tradingState: "HALTED" }]);
    expect((await ask("/accounts/nobody/trading-state")).status).toBe(404);
    expect((await ask("/accounts/nobody/trading-state", { tradingState: "HALTED" })).status).toBe(404);
  });
});
