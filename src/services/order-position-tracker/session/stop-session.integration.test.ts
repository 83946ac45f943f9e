import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { createWorld, type Desk, openDesk, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changeSession,
  inState,
  LIMIT,
  orderRow,
  place,
  reportedReason,
  reportsOf,
  requestOf,
  runSession,
  statesOf,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import type { OwnedUnit, Running } from "#shared/bus/bus.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Tx } from "#shared/db/db.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { FLATTEN_POSITION, type FlattenPosition, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { stopSession } from "./stop-session.ts";

let world: World;
let desk: Desk;
/** What risk was asked for. */
let wanted: FlattenPosition[];
/** What risk does about it. */
let answer: (wanted: FlattenPosition) => Promise<void>;
let risk: Running;

beforeAll(async () => {
  world = await createWorld(20);
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
      for (const { payload: asked } of tasks) {
        // Sessions of earlier tests stop still.
        if (asked.instrumentId !== desk.instrument.id) continue;
        wanted.push(asked);
        await answer(asked);
      }
      return tasks.map(() => ({}));
    },
  });
  await risk.ready;
  await desk.startTracker();
});
afterEach(async () => {
  await risk.close();
  await desk.close();
});
afterAll(async () => {
  await world.close();
});

const isStopped = async (session: Session) => (await reportsOf(world, session)).includes("report.stopped");
const stopReason = (session: Session) => reportedReason(world, session, "report.stopped");
const stop = (session: Session, more: Partial<Session> = {}) =>
  changeSession(world, desk, session, { state: "STOPPING", ...more });

/** A running session that holds so much of what it bought at 100, less the fee. */
async function holding(size: string, more: Partial<Session> = {}): Promise<Session> {
  const session = await runSession(world, desk, { stopPolicy: "flatten", ...more });
  const buy = await place(world, desk, requestOf(session, 1, { size }));
  await inState(world, buy, "ACCEPTED");
  await desk.tick("100");
  await inState(world, buy, "FILLED");
  return session;
}

/** One look at a session that stops, beside those of the tracker. */
function lookAt(session: Session): Promise<boolean> {
  const leader = { fence: async () => undefined };
  // All that a look uses.
  const deps = { db: world.database.db, queue: desk.queue, bus: desk.bus, clock: systemClock, leader };
  return stopSession({ deps } as unknown as TrackerContext, session, { role: "test", epoch: 1 } as OwnedUnit);
}

describe("the stop policy flatten", () => {
  test("stops at once where nothing is held, and asks risk for nothing", async () => {
    const session = await runSession(world, desk, { stopPolicy: "flatten" });
    await stop(session);
    await until(() => isStopped(session));
    expect(wanted).toEqual([]);
  });

  test("waits for the order that risk makes until it is filled; dust of the fee stays", async () => {
    const session = await holding("2.5");
    answer = async () => {
      if ((await orderRow(world, exit.id)) === null) await place(world, desk, exit);
    };
    // 2.4975 is held.
    const exit = requestOf(session, 2, { side: "SELL", size: "2.4975", reduceOnly: true });
    const stopping = await stop(session);
    await inState(world, exit, "ACCEPTED");
    expect(wanted[0]).toEqual({
      sessionId: session.id,
      run: 1,
      version: stopping.version,
      instrumentId: desk.instrument.id,
      mark: "100",
      marketAtMs: expect.any(Number),
    });
    // A market order fills at the next price shown: until then the session waits, and nobody cancels it.
    expect(await isStopped(session)).toBe(false);
    await desk.tick("103");
    await until(() => isStopped(session));
    expect((await orderRow(world, exit.id))?.state).toBe("FILLED");
    expect(await desk.outside.openOrders(desk.instrument)).toEqual([]);
  });

  test("cancels what is open before it asks", async () => {
    const session = await holding("2");
    const resting = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    const states: (string | undefined)[] = [];
    answer = async () => void states.push((await orderRow(world, resting.id))?.state);
    await stop(session);
    await until(async () => states.length > 0);
    expect(states[0]).toBe("CANCELED");
    expect(await isStopped(session)).toBe(false);
  });

  test("leaves a market order that reduces alone while it cancels the others", async () => {
    const session = await holding("2");
    const exit = requestOf(session, 2, { side: "SELL", size: "1.998", reduceOnly: true });
    await inState(world, await place(world, desk, exit), "ACCEPTED");
    const resting = await place(world, desk, requestOf(session, 3, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    await stop(session);
    await inState(world, resting, "CANCELED");
    expect((await orderRow(world, exit.id))?.state).toBe("ACCEPTED");
    await desk.tick("100");
    await until(() => isStopped(session));
    expect((await orderRow(world, exit.id))?.state).toBe("FILLED");
    expect(wanted).toEqual([]);
  });

  test("asks again after each answer while something is left", async () => {
    const session = await holding("2");
    await stop(session);
    await until(async () => wanted.length >= 2);
    expect(await isStopped(session)).toBe(false);
  });

  test("asks for nothing while an answer is under way", async () => {
    const session = await holding("2");
    const goOn = Promise.withResolvers<void>();
    answer = () => goOn.promise;
    const stopping = await stop(session);
    await until(() => wanted.length > 0);
    // Whoever asks now waits for the lane, which the answer holds.
    const looked = lookAt(stopping).then(() => "looked");
    expect(await Promise.race([looked, Bun.sleep(5_000).then(() => "waits")])).toBe("looked");
    const asked = await world.database.db.sql`
      select 1 from queue.tasks where lane = ${session.id} and type = ${FLATTEN_POSITION.type}`;
    expect(asked).toHaveLength(1);
    goOn.resolve();
    await until(() => wanted.length > 1);
  });

  test("goes on where the session is FAULTED and asks with the new version once it stops again", async () => {
    const session = await holding("2");
    const first = await stop(session);
    await until(async () => wanted.length > 0);
    const faulted = await changeSession(world, desk, first, { state: "FAULTED" });
    const again = await stop(faulted);
    await until(async () => wanted.some(({ version }) => version === again.version));
    expect(wanted.map(({ version }) => version)).toContain(first.version);
  });

  test("leaves dust that no order could close, and stops", async () => {
    const session = await holding("0.1");
    // 0.0999 at 100 is below the least notional of 10.
    await stop(session, { state: "STOPPING" });
    await until(() => isStopped(session));
    expect(wanted).toEqual([]);
    expect(await stopReason(session)).toStartWith("0.0999 SPX is left, less than any order may close");
  });

  test("does not wait for what is below zero, which no sale closes, and says so beside an alert", async () => {
    const session = await holding("2");
    const of = {
      instrument: desk.instrument,
      clientOrderId: "theirs",
      side: "BUY",
      style: { type: "MARKET" },
    } as const;
    await desk.outside.place({ ...of, size: "5", signedAtMs: Date.now(), recvWindowMs: 5_000 });
    await desk.tick("100");
    const sold = await place(world, desk, requestOf(session, 2, { side: "SELL", size: "3", reduceOnly: true }));
    await inState(world, sold, "ACCEPTED");
    await desk.tick("100");
    await inState(world, sold, "FILLED");
    await until(async () => (await alertsAbout(world, session.id)).includes("POSITION_BELOW_ZERO"));
    await stop(session);
    await until(() => isStopped(session));
    expect(wanted).toEqual([]);
    expect(await stopReason(session)).toStartWith("1.002 SPX more was sold than it had: buy it back");
    const bought = await place(world, desk, requestOf(session, 3, { size: "2" }));
    await inState(world, bought, "CANCELED");
    expect(await alertsAbout(world, session.id)).toEqual(["POSITION_BELOW_ZERO"]);
  });

  test("can be given up for keep while it waits: the session stops with what it holds", async () => {
    const session = await holding("2");
    const stopping = await stop(session);
    await until(async () => wanted.length > 0);
    await changeSession(world, desk, stopping, { stopPolicy: "keep" });
    await until(() => isStopped(session));
    expect(await stopReason(session)).toMatch(/^It keeps 1\.998 SPX at \S+: its stop policy is keep\.$/);
  });
});

describe("the other stop policies", () => {
  test("keep leaves position and orders", async () => {
    const session = await holding("2", { stopPolicy: "keep" });
    const resting = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    await stop(session);
    await until(() => isStopped(session));
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });

  test("cancel ends the orders and leaves the position; an entry that comes after it is never sent", async () => {
    const session = await holding("2", { stopPolicy: "cancel" });
    const resting = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    await stop(session);
    const late = await place(world, desk, requestOf(session, 3, { style: LIMIT }));
    await until(() => isStopped(session));
    expect((await orderRow(world, resting.id))?.state).toBe("CANCELED");
    expect((await inState(world, late, "CANCELED")).signedAtMs).toBeNull();
    expect(wanted).toEqual([]);
  });

  test("a cancel that the venue refuses though the order is open is asked for again", async () => {
    const session = await runSession(world, desk, { stopPolicy: "cancel" });
    const resting = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    desk.proxy.next("DELETE order", { code: -2011, msg: "Unknown order sent." });
    await stop(session);
    await until(() => isStopped(session));
    expect(await statesOf(world, resting)).toEqual([
      "SUBMITTED",
      "ACCEPTED",
      "PENDING_CANCEL",
      "ACCEPTED",
      "PENDING_CANCEL",
      "CANCELED",
    ]);
  });

  test("a cancel that the venue does not answer is asked for again until it is", async () => {
    const session = await runSession(world, desk, { stopPolicy: "cancel" });
    const resting = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    desk.proxy.next("DELETE order", "lose-request");
    desk.proxy.next("DELETE order", "lose-answer");
    await stop(session);
    await until(() => isStopped(session));
    expect((await orderRow(world, resting.id))?.state).toBe("CANCELED");
  });
});

describe("an exit that is decided and not sent yet when the stop comes", () => {
  /** Keeps an order from being begun, as a worker that is slow does, until `begin` is called. */
  async function slowly(request: OrderRequest): Promise<{ begin: () => Promise<void> }> {
    const { sql } = world.database.db;
    await sql`insert into queue.lanes (queue, lane, owner, lease_until)
      values (${PLACE_ORDER.queue}, ${request.id}, 'slow', now() + interval '1 hour')`;
    await place(world, desk, request);
    return {
      begin: async () => {
        await sql`update queue.lanes set owner = null, lease_until = null, wake_at = now() where lane = ${request.id}`;
      },
    };
  }
  test.each(["keep", "flatten"] as const)("holds a stop that would %s, and is sent", async (stopPolicy) => {
    const session = await holding("2", { stopPolicy });
    const exit = requestOf(session, 2, { side: "SELL", size: "1.998", reduceOnly: true });
    const { begin } = await slowly(exit);
    const stopping = await stop(session);
    expect(await lookAt(stopping)).toBe(false);
    expect(wanted).toEqual([]);
    await begin();
    await inState(world, exit, "ACCEPTED");
    await desk.tick("100");
    await until(() => isStopped(session));
    await inState(world, exit, "FILLED");
    expect(wanted).toEqual([]);
  });

  test("holds a stop that cancels, and is canceled unsent", async () => {
    const session = await holding("2", { stopPolicy: "cancel" });
    const exit = requestOf(session, 2, { side: "SELL", size: "1.998", reduceOnly: true });
    const { begin } = await slowly(exit);
    const stopping = await stop(session);
    expect(await lookAt(stopping)).toBe(false);
    expect(await isStopped(session)).toBe(false);
    await begin();
    expect((await inState(world, exit, "CANCELED")).signedAtMs).toBeNull();
    await until(() => isStopped(session));
  });

  test("is not sent for a session that is STOPPED", async () => {
    const session = await holding("2", { stopPolicy: "keep" });
    await changeSession(world, desk, session, { state: "STOPPED" });
    const exit = await place(world, desk, requestOf(session, 2, { side: "SELL", size: "1.998", reduceOnly: true }));
    expect((await inState(world, exit, "CANCELED")).signedAtMs).toBeNull();
  });
});

describe("a cancel that the stop asks for while the order's worker writes", () => {
  /** Holds the order's lane as its worker does, until the stop waits for it; then does the rest of the worker's step. */
  async function whileLaneIsHeld(session: Session, orderId: string, rest: (tx: Tx) => Promise<unknown>): Promise<void> {
    await world.database.db.transaction(async (tx) => {
      await tx.sql`select 1 from queue.lanes where lane = ${orderId} for no key update`;
      await tx.sql`set local lock_timeout = '500ms'`;
      await stop(session);
      await until(async () => {
        const waiting = await tx.sql`
          select 1 from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))`;
        return waiting.length > 0;
      });
      await rest(tx);
    });
  }
  const cancels = async (orderId: string) => {
    const rows = await world.database.db.sql`
      select 1 from queue.tasks where lane = ${orderId} and type = 'cancel-order'`;
    return rows.length;
  };

  test("waits for it, lane before order, and is asked for once", async () => {
    const session = await runSession(world, desk, { stopPolicy: "cancel" });
    const resting = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    await whileLaneIsHeld(
      session,
      resting.id,
      (tx) => tx.sql`select 1 from order_position_tracker.orders where id = ${resting.id} for update`,
    );
    await until(() => isStopped(session));
    expect(await cancels(resting.id)).toBe(1);
  });

  test("is not asked for where the worker's step has left nothing to cancel", async () => {
    const session = await runSession(world, desk, { stopPolicy: "cancel" });
    const resting = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, resting, "ACCEPTED");
    await whileLaneIsHeld(
      session,
      resting.id,
      (tx) => tx.sql`
        update order_position_tracker.orders set is_open = false, state = 'CANCELED' where id = ${resting.id}`,
    );
    await until(() => isStopped(session));
    expect(await cancels(resting.id)).toBe(0);
  });
});
