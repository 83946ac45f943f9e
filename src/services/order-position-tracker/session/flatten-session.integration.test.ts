import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  createWorld,
  type Desk,
  openDesk,
  type Tracker,
  type World,
} from "#services/order-position-tracker/tracker.fixture.ts";
import {
  changeSession,
  inState,
  LIMIT,
  orderRow,
  place,
  reportsOf,
  requestOf,
  runSession,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import type { Running } from "#shared/bus/bus.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { FLATTEN_POSITION, FLATTEN_SESSION, type FlattenPosition, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { readToldOfEndedKills } from "./kill-store.ts";

let world: World;
let desk: Desk;
let tracker: Tracker;
let wanted: FlattenPosition[];
let answer: (wanted: FlattenPosition) => Promise<void>;
let risk: Running;

beforeAll(async () => {
  world = await createWorld(8);
});
beforeEach(async () => {
  desk = await openDesk(world);
  await desk.tick("100");
  wanted = [];
  answer = async () => undefined;
  risk = desk.queue.work({
    queue: FLATTEN_POSITION.queue,
    tasks: [FLATTEN_POSITION],
    concurrency: 1,
    mode: "transaction",
    async handle(_tx, tasks) {
      for (const { payload } of tasks) {
        // Sessions of earlier tests are asked for still.
        if (payload.instrumentId !== desk.instrument.id) continue;
        wanted.push(payload);
        await answer(payload);
      }
      return tasks.map(() => ({}));
    },
  });
  await risk.ready;
  tracker = await desk.startTracker();
});
afterEach(async () => {
  await risk.close();
  await desk.close();
});
afterAll(async () => {
  await world.close();
});

/** A running session that holds so much of what it bought at 100, less the fee. */
async function holding(size: string): Promise<Session> {
  const session = await runSession(world, desk, { stopPolicy: "keep" });
  const buy = await place(world, desk, requestOf(session, 1, { size }));
  await inState(world, buy, "ACCEPTED");
  await desk.tick("100");
  await inState(world, buy, "FILLED");
  return session;
}

/** Writes a kill of one session as risk-manager does, before the given time where a test says so. */
async function kill(session: Session, killedAtMs = Date.now()): Promise<string> {
  const killId = crypto.randomUUID();
  const { id: sessionId, accountId } = session;
  await world.database.db.transaction(async (tx) => {
    const { sql } = tx;
    await sql`insert into reference.risk_states values (${`session:${sessionId}`}, 3, null, 'killed by me', 1)`;
    await sql`insert into risk_manager.kills (id, scope, caller, created_at_ms)
      values (${killId}, ${`session:${sessionId}`}, 'me', ${killedAtMs})`;
    const payload = { killId, sessionId, accountId, killedAtMs };
    await desk.queue.enqueue(tx, { task: FLATTEN_SESSION, lane: sessionId, payload, priority: 0 });
  });
  return killId;
}

/** What was noted of a session for a kill. Null: nothing yet. */
async function flatOf(killId: string): Promise<{ left: string | null } | null> {
  const [row] = await world.database.db.sql<{ left: string | null }[]>`
    select left_over as left from reference.flattened_sessions where kill_id = ${killId}`;
  return row ?? null;
}

/** Why it is not flat, as it was noted last. */
async function waitsOf(killId: string): Promise<string | undefined> {
  const [row] = await world.database.db.sql<{ waits: string }[]>`
    select waits from reference.flattening_sessions where kill_id = ${killId}`;
  return row?.waits;
}

const closing = (session: Session, killId: string) =>
  requestOf(session, 2, {
    signalId: `kill:${killId}:${session.id}:${desk.instrument.id}`,
    side: "SELL",
    size: "1.998",
    reduceOnly: true,
  });

test("cancels what is open, asks risk to close what is held, and is done when the session is flat; all other orders end unsent", async () => {
  const session = await holding("2");
  const resting = await place(world, desk, requestOf(session, 3, { style: LIMIT }));
  await inState(world, resting, "ACCEPTED");
  const states: (string | undefined)[] = [];
  let close = async (): Promise<unknown> => undefined;
  answer = async () => {
    states.push((await orderRow(world, resting.id))?.state);
    await close();
  };
  const killId = await kill(session);
  await until(async () => states.length > 0);
  expect(states[0]).toBe("CANCELED");
  expect(wanted[0]).toMatchObject({ sessionId: session.id, killId, mark: "100" });
  expect(await flatOf(killId)).toBeNull();
  const late = await place(world, desk, requestOf(session, 4, { style: LIMIT }));
  const exit = await place(world, desk, requestOf(session, 5, { side: "SELL", size: "1.998", reduceOnly: true }));
  for (const order of [late, exit])
    expect((await inState(world, order, "DENIED")).stateReason).toStartWith("RISK_HALTED: ");
  const order = closing(session, killId);
  close = async () => (await orderRow(world, order.id)) ?? (await place(world, desk, order));
  await inState(world, order, "ACCEPTED");
  expect(await flatOf(killId)).toBeNull();
  await desk.tick("100");
  await until(async () => (await flatOf(killId)) !== null);
  expect(await flatOf(killId)).toEqual({ left: null });
  expect(await desk.outside.openOrders(desk.instrument)).toEqual([]);
});

test("closes also what a session has kept when it stopped, and leaves dust that no order closes", async () => {
  const session = await holding("2");
  await changeSession(world, desk, session, { state: "STOPPING" });
  await until(async () => (await reportsOf(world, session)).includes("report.stopped"));
  await changeSession(world, desk, session, { state: "STOPPED" });
  const killId = await kill(session);
  await until(async () => wanted.length > 0);
  const order = await place(world, desk, { ...closing(session, killId), size: "1.99" });
  await inState(world, order, "ACCEPTED");
  await desk.tick("100");
  await until(async () => (await flatOf(killId)) !== null);
  expect((await flatOf(killId))?.left).toStartWith("0.008 ");
});

test("goes on where its tracker died in the middle, and ends with the halt where a person ends that", async () => {
  const session = await holding("2");
  await tracker.stop();
  const killId = await kill(session);
  await desk.startTracker();
  await until(async () => wanted.length > 1);
  await world.database.db.sql`update risk_manager.kills set ended_at_ms = 1 where id = ${killId}`;
  await until(async () => {
    const [task] = await world.database.db.sql<{ state: string; outcome: unknown }[]>`
      select state, outcome from queue.tasks where type = 'flatten-session' and payload ->> 'killId' = ${killId}`;
    return task?.state === "done" && Bun.deepEquals(task.outcome, { state: "released" });
  });
  expect(await flatOf(killId)).toBeNull();
});

test("raises an alert once it takes too long, which ends when the session is flat", async () => {
  const session = await holding("2");
  const killId = await kill(session, Date.now() - 30_000);
  const isOpen = async () => {
    const rows = await world.database.db.sql`
      select 1 from alerts.open where code = 'KILL_NOT_FLAT' and scope = ${`session:${session.id}`}`;
    return rows.length > 0;
  };
  await until(isOpen);
  const order = await place(world, desk, closing(session, killId));
  await inState(world, order, "ACCEPTED");
  await desk.tick("100");
  await until(async () => (await flatOf(killId)) !== null);
  expect(await isOpen()).toBe(false);
});

test("says what a session waits for: an order that is not sent, one that is open, risk; and nothing once it is flat", async () => {
  const session = await holding("2");
  await tracker.stop();
  const dead = requestOf(session, 7, { style: LIMIT });
  const { db } = world.database;
  const task = { task: PLACE_ORDER, lane: dead.id, payload: { order: dead } };
  const taskId = await db.transaction((tx) => desk.queue.enqueue(tx, task));
  await db.sql`update queue.tasks set state = 'dead' where id = ${taskId}`;
  const killId = await kill(session);
  await desk.startTracker();
  const says = (text: string) => until(async () => (await waitsOf(killId))?.startsWith(text));
  await says("An order of it is decided and not sent yet. Where that lasts");
  await db.sql`update queue.tasks set state = 'done' where id = ${taskId}`;
  await says(`risk-manager is asked to close 1.998 ${desk.instrument.base}.`);
  const order = await place(world, desk, closing(session, killId));
  await inState(world, order, "ACCEPTED");
  await says(`1 order is open at the venue, or may be: ${order.id} (ACCEPTED).`);
  const degraded = [{ code: "MARKET_ENDED", sinceMs: 1, text: "It has ended." }] as const;
  await putSession(db.sql, { ...session, degraded: [...degraded] });
  await says(`1 order is open at the venue, or may be: ${order.id} (ACCEPTED). Its market has ended`);
  await desk.tick("100");
  await until(async () => (await flatOf(killId)) !== null);
  expect(await waitsOf(killId)).toBeUndefined();
});

test("ends its alert with the halt also where the task is dead, but not while the kill stands", async () => {
  const session = await holding("2");
  const killId = await kill(session, Date.now() - 30_000);
  const { sql } = world.database.db;
  const isOpen = async () => {
    const rows = await sql`
      select 1 from alerts.open where code = 'KILL_NOT_FLAT' and scope = ${`session:${session.id}`}`;
    return rows.length > 0;
  };
  await until(isOpen);
  await tracker.stop();
  await sql`update queue.tasks set state = 'dead' where payload ->> 'killId' = ${killId}`;
  expect(await readToldOfEndedKills({ sql }, session.accountId)).toEqual([]);
  await sql`update risk_manager.kills set ended_at_ms = 1 where id = ${killId}`;
  await desk.startTracker();
  await until(async () => !(await isOpen()));
});
