import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { readFillCursor } from "./fill-cursor.ts";
import { createWorld, type Desk, openDesk, type World } from "./tracker.fixture.ts";
import {
  alertsAbout,
  fillRows,
  inState,
  moneyOf,
  place,
  reportedReason,
  reportsOf,
  requestOf,
  runSession,
  venueMoney,
} from "./tracker-rows.fixture.ts";

let world: World;
let desk: Desk;

beforeAll(async () => {
  world = await createWorld(3, { wakeups: createBullmqWakeups, lock: createRedlockLock });
});
beforeEach(async () => {
  desk = await openDesk(world);
  await desk.tick("100");
});
afterEach(async () => {
  await desk.close();
});
afterAll(async () => {
  await world.close();
});

/** Compares with the venue all the time. */
const OFTEN = {
  R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS: "100",
  R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: "100",
};
const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order");
const venueFills = async () => (await desk.outside.fills({ instrument: desk.instrument, limit: 100 })).fills;

describe("a venue whose lists lag behind what it has executed", () => {
  /** An order whose answer is lost although it filled; neither stream nor list tells of it for a while. */
  async function unheard(listLagMs: number) {
    await desk.startTracker({ listLagMs, settings: OFTEN });
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    await desk.misbehave({ fault: "lists-lag", lagMs: 1_200 }, { fault: "answer-lost", what: "POST order", times: 1 });
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "UNKNOWN");
    await desk.tick("101");
    return { session, order };
  }

  test("is asked until they are newer than the order's window: one intent is executed once", async () => {
    const { session, order } = await unheard(1_500);
    const filled = await inState(world, order, "FILLED");
    expect(filled).toMatchObject({ filledSize: "2", attempt: 1 });
    expect(sends()).toHaveLength(1);
    expect(await venueFills()).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });

  test("by more than its settings say leads to a second execution: it is booked, told, and the session is faulted", async () => {
    const { session, order } = await unheard(0);
    await until(() => sends().length === 2);
    await desk.tick("102");
    await desk.misbehave();
    await until(async () => (await alertsAbout(world, session.id)).includes("DOUBLE_EXECUTION"));
    await until(async () => (await fillRows(world, order)).length === 2);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await reportsOf(world, session)).toContain("report.faulted");
    expect(await reportedReason(world, session)).toStartWith(
      "DOUBLE_EXECUTION: The venue has two orders of our intent",
    );
    expect(await alertsAbout(world, desk.marketId)).not.toContain("FOREIGN_FILL");
    // A person has dealt with it, and the venue's list is read again.
    const { sql } = world.database.db;
    await sql`delete from alerts.open where code = 'DOUBLE_EXECUTION'`;
    await sql`update order_position_tracker.fill_cursors set trade_id = '0' where account_id = ${desk.marketId}`;
    await until(
      async () => (await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId === "2",
    );
    expect((await alertsAbout(world, session.id)).filter((code) => code === "DOUBLE_EXECUTION")).toHaveLength(1);
    expect((await reportsOf(world, session)).filter((type) => type === "report.faulted")).toHaveLength(1);
  });
});
