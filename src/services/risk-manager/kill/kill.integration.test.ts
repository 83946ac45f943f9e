import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ACCOUNT, EXIT, flattenWish, sent, World } from "#services/risk-manager/risk-manager.fixture.ts";
import { lockContext } from "#services/risk-manager/store.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putAccount } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { KillDesk } from "./kill.fixture.ts";

let world: World;
let desk: KillDesk;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  await putAccount(world.database.db.sql, "other", "paper");
  desk = new KillDesk(world);
  await world.start();
  await world.start();
});
beforeEach(async () => {
  await desk.clear();
});
afterAll(async () => {
  await world.close();
});

const flattenTasks = async (killId: string) => {
  const rows = await world.database.db.sql<{ lane: string }[]>`
    select lane from queue.tasks where type = 'flatten-session' and payload ->> 'killId' = ${killId} and priority = 0`;
  return rows.map(({ lane }) => lane).toSorted();
};

describe("a kill", () => {
  test("of an account has a task for each session that may hold something, stops those at work, and raises one alert", async () => {
    const [running, paused, stopped, faulted] = await Promise.all(
      (["RUNNING", "PAUSED", "STOPPED", "FAULTED"] as const).map((state) => desk.put({ state })),
    );
    const bare = await desk.put({ state: "STOPPED" });
    await world.database.db.sql`
      insert into order_position_tracker.positions (session_id, instrument_id, account_id, size, realized_profit, fees, updated_at_ms)
      values (${stopped?.id ?? ""}, ${spx.id}, ${ACCOUNT}, 1, 0, '{}', 1), (${bare.id}, ${spx.id}, ${ACCOUNT}, 0, 0, '{}', 1)`;
    const created = await desk.put({ state: "CREATED", run: 0 });
    const elsewhere = await desk.put({ accountId: "other" });
    const killed = await desk.kill({ account: ACCOUNT, reason: "Enough." }, { "x-forwarded-user": "eve" });
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
      const session = await desk.holding();
      const [sibling, elsewhere] = [await desk.put(), await desk.put({ accountId: "other" })];
      await desk.kill(
        what === "session" ? { session: session.id } : what === "account" ? { account: ACCOUNT } : { all: true },
      );
      expect(await desk.decide(session, { number: 2 })).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
      expect(await desk.decide(session, { number: 3, intent: EXIT })).toMatchObject({ code: "RISK_HALTED" });
      const halted = { kind: "denied", code: "RISK_HALTED" };
      expect(await desk.decide(sibling)).toMatchObject(what === "session" ? { kind: "approved" } : halted);
      expect(await desk.decide(elsewhere)).toMatchObject(what === "all" ? halted : { kind: "approved" });
    },
  );

  test("waits for a decision that has read that nothing is held back, and one that comes meanwhile is denied", async () => {
    const session = await desk.put();
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
    const [other, killed] = [await desk.put({ accountId: "other" }), desk.kill({ all: true })];
    await desk.waiting("lock table reference.risk_states");
    const second = desk.decide(other);
    await desk.waiting("risk_manager.");
    expect(await flattenTasks("none")).toEqual([]);
    decided.resolve();
    expect(await first).toBeNull();
    await killed;
    expect(await second).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
  });

  test("that is asked for many times at once under one key is one; another content under it is refused", async () => {
    const session = await desk.put();
    const key = { "idempotency-key": crypto.randomUUID() };
    const killed = await Promise.all(Array.from({ length: 10 }, () => desk.kill({ session: session.id }, key)));
    expect(new Set(killed.map(({ id }) => id)).size).toBe(1);
    expect(await flattenTasks(killed[0]?.id ?? "")).toEqual([session.id]);
    const other = await desk.ask("/kill", { all: true }, key);
    expect(other.status).toBe(422);
    expect(JSON.stringify(other.body["errors"])).toContain("headers.idempotency-key");
    const again = await desk.kill({ session: session.id });
    expect(again.id).not.toBe(killed[0]?.id);
  });

  test("is FLAT once each of its sessions is, with what is left; one of nothing is FLAT at once", async () => {
    const [one, two] = [await desk.put(), await desk.put()];
    const { id } = await desk.kill({ account: ACCOUNT });
    await desk.tellFlat(id, one.id, "0.1 SPX is left.");
    expect((await desk.ask(`/kill/${id}`)).body).toMatchObject({
      state: "FLATTENING",
      flat: 1,
      notFlat: [{ sessionId: two.id, state: "FLATTENING", waits: null }],
    });
    await desk.tellFlat(id, two.id);
    expect((await desk.ask(`/kill/${id}`)).body).toMatchObject({
      state: "FLAT",
      notFlat: [],
      flatAtMs: expect.any(Number),
    });
    const { items } = (await desk.ask(`/kill/${id}/sessions`)).body as unknown as {
      items: { sessionId: string; left: string | null }[];
    };
    expect(items.find(({ sessionId }) => sessionId === one.id)).toMatchObject({
      state: "FLAT",
      left: "0.1 SPX is left.",
    });
    const created = await desk.put({ state: "CREATED", run: 0 });
    expect(await desk.kill({ session: created.id })).toMatchObject({
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
    expect((await desk.ask("/kill", body)).status).toBe(status);
    expect(await world.database.db.sql`select 1 from reference.risk_states`).toHaveLength(0);
  });
});

describe("closing for a kill", () => {
  const flatten = async (session: Session, killId: string) => {
    await world.flatten({ ...flattenWish(session), killId });
    return world.outcome(session);
  };

  test("closes what a session holds whatever state it is in, once, and after the first one has ended again", async () => {
    const session = await desk.holding();
    const { id } = await desk.kill({ account: ACCOUNT });
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
    const session = await desk.holding();
    const { id } = await desk.kill({ account: ACCOUNT });
    await desk.stop(session, id);
    expect((await desk.ask("/release", { account: ACCOUNT, abandon: true })).status).toBe(204);
    expect(await flatten(session, id)).toEqual({ decision: "not wanted any more" });
    expect(await flatten(session, "none")).toEqual({ decision: "not wanted any more" });
    expect((await desk.ask(`/kill/${id}`)).body).toMatchObject({
      state: "ABANDONED",
      notFlat: [{ state: "ABANDONED" }],
    });
  });

  test("says why it waits: the venue has halted the instrument, the account is halted by itself; and goes on after it", async () => {
    const session = await desk.holding();
    const { id } = await desk.kill({ session: session.id });
    const waits = async () =>
      ((await desk.ask(`/kill/${id}`)).body as unknown as { notFlat: { waits: string | null }[] }).notFlat[0]?.waits;
    const { sql } = world.database.db;
    const status = (of: string) =>
      sql`update reference.instruments set instrument = jsonb_set(instrument, '{status}', ${sql.json(of)})`;
    await status("HALTED");
    expect(await flatten(session, id)).toEqual({ decision: "not trading" });
    expect(await waits()).toBe(`The venue has halted ${spx.id}: the position is closed once it trades again.`);
    await sql`insert into order_position_tracker.flattening values (${id}, ${session.id}, 'risk-manager is asked.')`;
    expect(await waits()).toBe(
      `risk-manager is asked. The venue has halted ${spx.id}: the position is closed once it trades again.`,
    );
    await sql`delete from order_position_tracker.flattening`;
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
    const session = await desk.holding();
    expect((await desk.ask(PATH)).body).toEqual({
      accountId: ACCOUNT,
      tradingState: "ACTIVE",
      reason: null,
      sinceMs: null,
      kills: [],
    } as never);
    const set = await desk.ask(PATH, { tradingState: "REDUCING", reason: "News." }, { "x-forwarded-user": "eve" });
    expect(set.body).toMatchObject({
      tradingState: "REDUCING",
      reason: expect.stringMatching(/^The account demo is REDUCING since \S+Z: set by eve: News\.$/),
    });
    expect(await desk.decide(session, { number: 2 })).toMatchObject({ kind: "denied", code: "RISK_REDUCING" });
    expect((await desk.ask(PATH, { tradingState: "HALTED" })).body).toMatchObject({ tradingState: "HALTED" });
    expect(await desk.decide(session, { number: 3, intent: EXIT })).toMatchObject({
      kind: "denied",
      code: "RISK_HALTED",
    });
    expect((await desk.ask(PATH, { tradingState: "ACTIVE" })).body).toMatchObject({
      tradingState: "ACTIVE",
      reason: null,
    });
    expect(await desk.decide(session, { number: 4, intent: EXIT })).toMatchObject({ kind: "approved" });
  });

  test("is HALTED by a kill, and ACTIVE again only once that is flat, or abandoned", async () => {
    const session = await desk.put();
    const { id } = await desk.kill({ account: ACCOUNT });
    await desk.stop(session, id);
    expect((await desk.ask(PATH)).body).toMatchObject({ tradingState: "HALTED", kills: [id] });
    for (const tradingState of ["ACTIVE", "REDUCING"]) {
      const refused = await desk.ask(PATH, { tradingState });
      expect([refused.status, refused.body["detail"]]).toEqual([
        409,
        `The kill ${id} has not closed everything yet, 0 of its 1 sessions are flat: wait until GET /api/risk-manager/kill/${id} says FLAT, or ask again with "abandon": true, and what is left stays as it is.`,
      ]);
    }
    expect((await desk.ask(PATH, { tradingState: "HALTED" })).body).toMatchObject({ kills: [id] });
    await desk.tellFlat(id, session.id);
    expect((await desk.ask(PATH, { tradingState: "ACTIVE" })).body).toMatchObject({
      tradingState: "ACTIVE",
      kills: [],
    });
    expect(await world.database.db.sql`select 1 from alerts.open`).toHaveLength(0);
    expect((await desk.ask(`/kill/${id}`)).body).toMatchObject({ state: "FLAT", endedAtMs: expect.any(Number) });
  });

  test("cannot be made ACTIVE where all is killed, or the account is halted by itself; the list says so", async () => {
    await desk.kill({ all: true });
    const byAll = await desk.ask(PATH, { tradingState: "ACTIVE" });
    expect([byAll.status, byAll.body["detail"]]).toEqual([
      409,
      expect.stringContaining('POST /api/risk-manager/release {"all": true}'),
    ]);
    expect((await desk.ask("/release", { all: true })).status).toBe(204);
    await world.putAccount("HALTED");
    const byItself = await desk.ask(PATH, { tradingState: "ACTIVE" });
    expect([byItself.status, byItself.body["detail"]]).toEqual([409, expect.stringContaining("is HALTED by itself")]);
    const { items } = (await desk.ask("/accounts?limit=1")).body as unknown as { items: unknown[] };
    expect(items).toMatchObject([{ accountId: ACCOUNT, tradingState: "HALTED" }]);
    expect((await desk.ask("/accounts/nobody/trading-state")).status).toBe(404);
    expect((await desk.ask("/accounts/nobody/trading-state", { tradingState: "HALTED" })).status).toBe(404);
  });
});
