import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { sessionManager } from "#services/session-manager/index.ts";
import { createReplica, NAMED, type Replica } from "#services/session-manager/session-manager.fixture.ts";
import { listOpenAlerts, type OpenAlert } from "#shared/alerts/open-alerts.ts";
import type { Bus, BusEvent, OutgoingEvent } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { DEGRADATIONS, type Degradation } from "#shared/domain/degradation.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock, type MemoryLocks } from "#shared/leader/memory.ts";
import { ALERTS, SESSION_REPORTS, SESSIONS } from "#shared/messages/topics.ts";
import type { Named } from "./missing-settings.ts";

const log = pino({ level: "silent" });
const locks: MemoryLocks = new Map();
const NOTHING: Named = { venues: [], accounts: [] };
const STALE: Degradation = { code: "FEED_STALE", sinceMs: 5, text: "No bar came." };
let database: TestDatabase;
let redis: TestRedis;
let bus: Bus;
let told: BusEvent[] = [];
const atEnd: (() => Promise<void>)[] = [];
let running: Replica[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  const { db } = database;
  const logStore = createPostgresLogStore(db);
  const leader = createLeader({ db, lock: createMemoryLock(locks), clock: systemClock, log, leaseMs: 600 });
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation: await logStore.incarnation() });
  bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance: "tester" });
  const heard = [SESSIONS, ALERTS].map((topic) =>
    bus.tail({ topic, from: "now", handle: (events) => void told.push(...events) }),
  );
  await Promise.all(heard.map(({ ready }) => ready));
  atEnd.push(async () => {
    for (const tail of heard) await tail.close();
    await bus.close();
    await leader.close();
  });
});
afterAll(async () => {
  for (const end of atEnd.splice(0)) await end();
  await redis.cleanup();
  await database.drop();
});
beforeEach(async () => {
  told = [];
  await database.db
    .sql`truncate reference.sessions, session_manager.readiness, session_manager.denials, alerts.open, bus.parked, queue.tasks`;
});
afterEach(async () => {
  for (const replica of running.splice(0)) await replica.service.stop();
});

/** The service with all that runs in it, over real servers; its own clock is moved by hand. */
async function start(named: Named = NAMED): Promise<Replica> {
  const replica = createReplica(database.db, bus, named);
  await replica.service.start(new AbortController().signal);
  running.push(replica);
  return replica;
}

/** A session in the rows, as an engine that was stopped has left it. */
async function put(more: Partial<Session> = {}): Promise<Session> {
  const session = sessionOf({ accountId: "demo", ...more });
  return putSession(database.db.sql, { ...session, partition: bus.partitionOf(session.id) });
}

async function publish(...events: OutgoingEvent[]): Promise<void> {
  await database.db.transaction(async (tx) => bus.publish(tx, events));
}

type ReportType = keyof (typeof SESSION_REPORTS)["schemas"];

async function report(session: Session, type: ReportType, more: object = {}): Promise<void> {
  const data = { sessionId: session.id, run: session.run, atMs: 1, ...more };
  await publish({ topic: SESSION_REPORTS, key: session.id, type, data });
}

async function row(id: string): Promise<Session> {
  const [found] = await database.db.sql<{ session: Session }[]>`
    select session from reference.sessions where id = ${id}`;
  if (found === undefined) throw new Error("The session has no row.");
  return found.session;
}

const codesOf = async (id: string) => (await row(id)).degraded.map(({ code }) => code).toSorted();

/** The alerts of this service that are open, of scopes that begin so. */
async function openAlerts(scope = ""): Promise<OpenAlert[]> {
  const open = await listOpenAlerts({ sql: database.db.sql, kinds: sessionManager.alerts }, { limit: 100 });
  return open.filter((alert) => alert.scope.startsWith(scope));
}

/** Alerts of a scope that were told of, in their order; what another test has raised may be told only now. */
const alertsTold = (scope: string) =>
  told
    .filter(({ topic, data }) => topic === ALERTS.name && (data as OpenAlert).scope === scope)
    .map(({ type, data }) => `${type} ${(data as OpenAlert).code}`);

describe("a RUNNING session whose venue R3_VENUES no longer names", () => {
  test("is degraded with the reason and an alert, also of its missing keys, and by itself no more once they are back", async () => {
    const session = await put();
    const replica = await start(NOTHING);
    await until(async () => (await codesOf(session.id)).length > 0);
    expect(await codesOf(session.id)).toEqual(["ACCOUNT_NOT_CONFIGURED", "VENUE_NOT_CONFIGURED"]);
    const [alert] = await openAlerts();
    expect(alert).toMatchObject({ scope: `session:${session.id}`, code: "SESSION_DEGRADED", severity: "warning" });
    expect(alert?.text).toContain('R3_VENUES does not name "paper"');
    expect(alert?.text).toContain('R3_ACCOUNTS has no keys of the account "demo"');
    const toDo = `${DEGRADATIONS.VENUE_NOT_CONFIGURED.toDo} ${DEGRADATIONS.ACCOUNT_NOT_CONFIGURED.toDo}`;
    expect(alert?.data).toEqual({
      sessionId: session.id,
      codes: ["VENUE_NOT_CONFIGURED", "ACCOUNT_NOT_CONFIGURED"],
      toDo,
    });
    expect(alert?.toDo).toBe(toDo);
    const { body } = await replica.call({ path: `/${session.id}` });
    expect(body.degraded[0]?.text).toContain("the venue of SPX/USD.paper");
    await replica.service.stop();
    await start();
    await until(async () => (await codesOf(session.id)).length === 0);
    expect(await openAlerts()).toEqual([]);
    await until(() => alertsTold(`session:${session.id}`).length >= 2);
    expect(alertsTold(`session:${session.id}`)).toEqual([
      "alert.raised SESSION_DEGRADED",
      "alert.cleared SESSION_DEGRADED",
    ]);
    expect((await row(session.id)).version).toBe(session.version + 2);
  });

  test("is found by the next look where it was begun after the first one, once by two replicas", async () => {
    const replicas = [await start(NOTHING), await start(NOTHING)];
    await until(() => replicas.every(({ clock }) => clock.sleeping === 2));
    const session = await put();
    const { db } = database;
    const waiting = async () => {
      const [found] = await db.sql<{ count: number }[]>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return found?.count;
    };
    // Both have seen the same row by the time that either may change it.
    await db.transaction(async (tx) => {
      await tx.sql`select 1 from reference.sessions where id = ${session.id} for update`;
      await Promise.all(replicas.map(({ clock }) => clock.advance(5_000)));
      await until(async () => (await waiting()) === 2);
    });
    await until(() => replicas.every(({ clock }) => clock.sleeping === 2));
    expect(await codesOf(session.id)).toEqual(["ACCOUNT_NOT_CONFIGURED", "VENUE_NOT_CONFIGURED"]);
    const changes = await db.sql`select 1 from bus.log where topic = ${SESSIONS.name} and key = ${session.id}`;
    expect(changes).toHaveLength(1);
  });

  test("says so in the answer to its next start, not only that it waits", async () => {
    const session = await put({ state: "STOPPED" });
    const replica = await start(NOTHING);
    const { body } = await replica.call({ method: "POST", path: `/${session.id}/start` });
    expect(body).toMatchObject({ state: "STARTING", version: session.version + 1 });
    expect(body.stateReason).toContain('R3_VENUES does not name "paper"');
    expect(await openAlerts()).toHaveLength(1);
    const started = { ...session, run: body.run };
    await report(started, "report.waiting", { until: "warm", reason: "market-data has no candles." });
    await until(async () => (await row(session.id)).stateReason?.includes("no candles"));
    expect((await row(session.id)).stateReason).toContain('R3_VENUES does not name "paper"');
    await replica.service.stop();
    await start();
    await until(async () => (await row(session.id)).stateReason === "market-data has no candles.");
  });
});

describe("what is reported to be missing", () => {
  test("is one alert while anything is, and over with the last of it", async () => {
    const session = await put();
    await start();
    await report(session, "report.degraded", STALE);
    await report(session, "report.degraded", { code: "VENUE_BANNED", sinceMs: 6, text: "Banned." });
    await report(session, "report.restored", { code: "FEED_STALE" });
    await until(async () => (await codesOf(session.id)).join() === "VENUE_BANNED");
    const [alert, ...others] = await openAlerts();
    expect(others).toEqual([]);
    expect(alert?.text).toContain("Banned.");
    expect(alert?.text).not.toContain("No bar came.");
    await report(session, "report.restored", { code: "VENUE_BANNED" });
    await until(() => alertsTold(`session:${session.id}`).length >= 2);
    expect(alertsTold(`session:${session.id}`)).toEqual([
      "alert.raised SESSION_DEGRADED",
      "alert.cleared SESSION_DEGRADED",
    ]);
  });

  test("is over when the session has stopped", async () => {
    const session = await put({ state: "STOPPING", degraded: [STALE] });
    await start();
    await report(session, "report.degraded", { ...STALE, text: "Silent." });
    await until(async () => (await openAlerts()).length === 1);
    await report(session, "report.stopped", { reason: null });
    await until(async () => (await row(session.id)).state === "STOPPED");
    expect((await row(session.id)).degraded).toEqual([]);
    expect(await openAlerts()).toEqual([]);
  });
});

describe("a session that is FAULTED", () => {
  test("is a critical alert with its reason until it is started or stopped", async () => {
    const replica = await start();
    for (const action of ["start", "stop"]) {
      const session = await put();
      await report(session, "report.degraded", STALE);
      await report(session, "report.faulted", { reason: "The strategy failed at candle 7." });
      await until(async () => (await row(session.id)).state === "FAULTED");
      const [alert, ...others] = await openAlerts(`session:${session.id}`);
      expect(alert).toMatchObject({ code: "SESSION_FAULTED", ends: "condition", data: { sessionId: session.id } });
      expect(alert?.text).toContain("The strategy failed at candle 7.");
      expect(others).toEqual([]);
      await replica.call({ method: "POST", path: `/${session.id}/${action}` });
      expect(await openAlerts()).toEqual([]);
    }
  });
});

describe("denials", () => {
  const deny = (session: Session, run: number, code: string) => {
    return report(session, "report.denied", { run, code, reason: `It is ${code}.` });
  };

  test("are counted since the present start, shown with the last, and are no new version", async () => {
    const session = await put({ run: 2 });
    const replica = await start();
    const read = async () => replica.call({ path: `/${session.id}` });
    expect((await read()).body.denials).toEqual({ count: 0, last: null });
    await deny(session, 1, "NO_POSITION");
    await deny(session, 2, "INSUFFICIENT_BALANCE");
    await deny(session, 2, "MAX_ORDER_NOTIONAL");
    await deny(session, 1, "NO_POSITION");
    await until(async () => (await read()).body.denials.count === 2);
    const { body, etag } = await read();
    const last = { code: "MAX_ORDER_NOTIONAL", reason: "It is MAX_ORDER_NOTIONAL." };
    expect(body.denials).toMatchObject({ count: 2, last });
    expect(etag).toBe(`"${session.version}"`);
    expect((await replica.call({})).body.items[0]).toEqual(body);
    await replica.call({ method: "POST", path: `/${session.id}/stop` });
    await report(session, "report.stopped", { reason: null });
    await until(async () => (await row(session.id)).state === "STOPPED");
    expect((await read()).body.denials.count).toBe(2);
    await replica.call({ method: "POST", path: `/${session.id}/start` });
    expect((await read()).body.denials).toEqual({ count: 0, last: null });
  });
});

describe("a RUNNING session of which something is dead", () => {
  test("says so while it lasts, events and tasks alike, and by itself no more once it is decided", async () => {
    const session = await put();
    const other = await put();
    const stopping = await put({ state: "STOPPING" });
    await database.db.sql`
      insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, error, raw, next_try_at)
      values (gen_random_uuid(), 'risk-manager', 'orders', 0, 7, ${session.id}, 'dead', 30, 'no', '', now()),
        (gen_random_uuid(), 'risk-manager', 'orders', 0, 8, ${other.id}, 'parked', 1, 'no', '', now()),
        (gen_random_uuid(), 'risk-manager', 'orders', 0, 9, ${stopping.id}, 'dead', 1, 'no', '', now())`;
    await database.db.sql`
      insert into queue.tasks (id, queue, lane, seq, priority, type, payload, state, session_id, error, created_at_ms)
      values (gen_random_uuid(), 'order-position-tracker', 'order-1', 1, 5, 'place-order', '{}', 'dead', ${session.id}, 'no', 9)`;
    const { clock } = await start();
    const later = async (isSo: () => Promise<boolean | undefined>) => {
      await until(() => clock.sleeping === 2);
      await clock.advance(5_000);
      await until(isSo);
    };
    await until(async () => (await codesOf(session.id)).length > 0);
    expect(await codesOf(session.id)).toEqual(["WORK_DEAD"]);
    const [dead] = (await row(session.id)).degraded;
    expect(dead?.text).toContain('task "place-order" of order-position-tracker (no), and 1 more');
    expect(await codesOf(other.id)).toEqual([]);
    await until(async () => (await codesOf(stopping.id)).length > 0);
    // A stop may wait behind it.
    expect((await row(stopping.id)).stateReason).toContain('event 9 of "orders" for risk-manager (no). Read it');
    await database.db.sql`update queue.tasks set state = 'done'`;
    await later(async () => (await row(session.id)).degraded[0]?.text.includes('event 7 of "orders"'));
    await database.db.sql`delete from bus.parked`;
    await later(async () => (await codesOf(session.id)).length === 0);
    await until(async () => (await row(stopping.id)).stateReason === null);
  });
});
