import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import type { OpenAlert } from "#shared/alerts/open-alerts.ts";
import { listOpenAlerts } from "#shared/alerts/open-alerts.ts";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createMemoryBroker } from "#shared/bus/memory-broker.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { systemClock as clock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock } from "#shared/leader/memory.ts";
import { CANCEL_ORDER } from "#shared/messages/tasks.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { createMemoryWakeups } from "#shared/queue/memory.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { DeadItem } from "./dead-item.ts";
import { deadOfSessions } from "./dead-of-sessions.ts";
import { createDeadRoutes } from "./dead-routes.ts";
import { tellDeadEvent, tellDeadTask } from "./tell-dead.ts";

const log = pino({ level: "silent" });
const GROUP = "order-position-tracker";
let database: TestDatabase;
let bus: Bus;
let queue: TaskQueue;
let routes: ReturnType<typeof createDeadRoutes>;
let isMended = false;
const atEnd: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const leader = createLeader({ db, lock: createMemoryLock(), clock, log, leaseMs: 600 });
  const [logStore, broker] = [createPostgresLogStore(db), createMemoryBroker(clock)];
  bus = createBus({
    db,
    logStore,
    broker,
    leader,
    clock,
    log,
    instance: "tester",
    onDead: (tx, dead) => tellDeadEvent(tx, { bus, clock }, dead),
  });
  queue = createTaskQueue({
    db,
    wakeups: createMemoryWakeups(),
    clock,
    log,
    sweepMs: 50,
    onDead: (tx, dead) => tellDeadTask(tx, { bus, clock }, dead),
  });
  routes = createDeadRoutes(GROUP, { db, bus, queue, clock, log });
  const fail = (): void => {
    if (!isMended) throw new AppError("INTERNAL", "permanent", "It can not be.");
  };
  const handle = async (): Promise<void> => fail();
  await bus.subscribe({ group: GROUP, topics: [SESSION_REPORTS], handle }).ready;
  queue.work({
    queue: CANCEL_ORDER.queue,
    tasks: [CANCEL_ORDER],
    concurrency: 1,
    mode: "transaction",
    handle: async (_tx, tasks) => {
      fail();
      return tasks.map(() => ({}));
    },
  });
  atEnd.push(
    () => queue.close(),
    () => bus.close(),
    () => leader.close(),
  );
});
afterAll(async () => {
  for (const end of atEnd) await end();
  await database.drop();
});

const alerts = (): Promise<OpenAlert[]> =>
  listOpenAlerts({ sql: database.db.sql, kinds: PROCESS_ALERTS }, { limit: 100 });

async function told(): Promise<string[]> {
  const rows = await database.db.sql<{ type: string; key: string }[]>`
    select type, key from bus.log where topic = 'alerts' order by created_at`;
  return rows.map(({ type, key }) => `${type} ${key}`);
}

async function ask(path: string, reason?: string): Promise<unknown> {
  const body = { method: "POST", body: JSON.stringify({ reason }), headers: { "content-type": "application/json" } };
  const request = new Request(`http://localhost/api/${GROUP}${path}`, reason === undefined ? {} : body);
  return (await routes.handle(request)).json();
}

describe("a dead event and a dead task", () => {
  test("are a critical alert each, told once, on the session concerned, until they are redriven or discarded", async () => {
    const { db } = database;
    const [sessionId, orderId] = ["session-1", "order-1"];
    await db.transaction(async (tx) => {
      const report = { sessionId, run: 1, atMs: 1 };
      bus.publish(tx, [event(SESSION_REPORTS, sessionId, "report.reconciled", report)]);
      const payload = { orderId, sessionId, reason: "test" };
      await queue.enqueue(tx, { task: CANCEL_ORDER, lane: orderId, payload });
    });
    await until(async () => (await alerts()).length === 2);
    const scopes = {
      event: `events:${GROUP}/session-reports/${sessionId}`,
      task: `tasks:order-position-tracker/${orderId}`,
    };
    expect((await alerts()).toSorted((a, b) => a.code.localeCompare(b.code))).toMatchObject([
      { scope: scopes.event, code: "EVENT_DEAD", severity: "critical", data: { sessionId, seq: 1, holds: true } },
      { scope: scopes.task, code: "TASK_DEAD", severity: "critical", data: { sessionId, lane: orderId, holds: true } },
    ]);
    const { items } = (await ask("/dead")) as { items: DeadItem[] };
    const idOf = (kind: string) => items.find((one) => one.kind === kind)?.id;
    const ways = (kind: string) => {
      const address = `/api/order-position-tracker/dead/${idOf(kind)}`;
      return `It can not be. Read it under GET ${address}, and decide with POST ${address}/redrive or ${address}/discard, with a reason.`;
    };
    for (const { code, text } of await alerts()) expect(text).toEndWith(ways(code === "EVENT_DEAD" ? "event" : "task"));
    const onSession = (await deadOfSessions(db.sql)).get(sessionId)?.text ?? "";
    const first = onSession.includes('event 1 of "session-reports"') ? "event" : "task";
    expect(onSession).toContain("(It can not be.), and 1 more. ");
    expect(onSession).toEndWith(ways(first).slice("It can not be. ".length));
    // Not mended: it dies again, and is told anew.
    await ask(`/dead/${idOf("event")}/redrive`, "perhaps");
    await until(async () => (await told()).filter((one) => one === `alert.raised ${scopes.event}`).length === 2);
    isMended = true;
    await ask(`/dead/${idOf("event")}/redrive`, "mended");
    await ask(`/dead/${idOf("task")}/discard`, "void");
    expect(await alerts()).toEqual([]);
    await until(async () => (await db.sql`select 1 from bus.parked`).length === 0);
    expect((await told()).toSorted()).toEqual(
      [
        `alert.raised ${scopes.event}`,
        `alert.cleared ${scopes.event}`,
        `alert.raised ${scopes.event}`,
        `alert.cleared ${scopes.event}`,
        `alert.raised ${scopes.task}`,
        `alert.cleared ${scopes.task}`,
      ].toSorted(),
    );
    expect(await deadOfSessions(db.sql)).toEqual(new Map());
  });
});
