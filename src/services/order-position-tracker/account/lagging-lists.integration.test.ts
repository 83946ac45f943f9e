import { describe, expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  fillRows,
  inState,
  moneyOf,
  OFTEN,
  place,
  reportedReason,
  reportsOf,
  requestOf,
  runSession,
  statesOf,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueFill } from "#shared/exchange/exchange.ts";
import { readFillCursor } from "./fill-cursor-store.ts";

let world: World;
let desk: Desk;
useDesks(7, (given) => {
  ({ world, desk } = given);
});

const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order");
const clock = () => desk.outside.serverTimeMs();
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

describe("an order of which an earlier attempt has taken effect all the same", () => {
  test("is not sent a third time where the venue refuses the second one as too late", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    await desk.misbehave({ fault: "lists-lag", lagMs: 1_500 });
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("POST order", async () => {
      const fromMs = (await clock()) + 1_600;
      await until(async () => (await clock()) > fromMs);
    });
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "UNKNOWN");
    await desk.tick("101");
    expect(await inState(world, order, "FILLED")).toMatchObject({ filledSize: "2", attempt: 2 });
    expect(sends()).toHaveLength(2);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });

  test("is not REJECTED where the venue refuses the second one, and lists what the first has executed", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    await desk.misbehave({ fault: "lists-lag", lagMs: 1_500 });
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("POST order", async () => {
      await desk.misbehave();
      // From here on the venue tells of its fills, and not yet of the order by our id.
      desk.proxy.next("GET order", { code: -2013, msg: "Order does not exist." });
      return { code: -2010, msg: "Account has insufficient balance for requested action." };
    });
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "UNKNOWN");
    await desk.tick("101");
    await inState(world, order, "FILLED");
    expect(await statesOf(world, order)).not.toContain("REJECTED");
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });
});

describe("a second order at the venue under a client order id of ours", () => {
  test("is told of once, also where the alert was cleared, and what it executes is booked whenever it does", async () => {
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    const order = await place(world, desk, requestOf(session, 1, { size: "1" }));
    await inState(world, order, "ACCEPTED");
    await desk.tick("100");
    await inState(world, order, "FILLED");
    const { instrument, outside } = desk;
    const { clientOrderId } = order;
    const style = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;
    const intent = { signedAtMs: await clock(), recvWindowMs: 5_000 };
    await outside.place({ instrument, clientOrderId, side: "BUY", style, size: "1", ...intent });
    await until(async () => (await alertsAbout(world, session.id)).includes("DOUBLE_EXECUTION"));
    desk.proxy.cutStream();
    await world.database.db.sql`delete from alerts.open where code = 'DOUBLE_EXECUTION'`;
    const asked = () => desk.proxy.passed.filter(({ what }) => what === "GET openOrders").length;
    const before = asked();
    await until(() => asked() >= before + 3);
    const faults = async () => (await reportsOf(world, session)).filter((type) => type === "report.faulted");
    expect(await faults()).toHaveLength(1);
    await desk.tick("50");
    await until(async () => (await fillRows(world, order)).length === 2);
    expect(await faults()).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, desk.marketId)).not.toContain("FOREIGN_FILL");
  });
});

describe("a stranger's many orders of which only the list of fills tells", () => {
  test("are asked for by the venue's ids once each, some at a time, and not at all where they came before ours", async () => {
    const history = Array.from({ length: 1_001 }, (_, index) => strangeFill(index + 1));
    const asked: string[] = [];
    let most = 0;
    await desk.startTracker({
      settings: OFTEN,
      account: (account) =>
        changed(account, {
          fills: async ({ fromId = "1", limit }) => {
            most = Math.max(most, asked.length - seen);
            seen = asked.length;
            const fills = history.slice(Number(fromId) - 1, Number(fromId) - 1 + limit);
            return { fills, unreadable: [], rows: fills.length, lastId: fills.at(-1)?.tradeId ?? null };
          },
          orderByVenueId: async ({ venueOrderId }) => {
            asked.push(venueOrderId);
            return null;
          },
        }),
    });
    let seen = 0;
    await runSession(world, desk);
    expect(asked).toEqual([]);
    for (let number = 1_002; number <= 1_121; number += 1) history.push(strangeFill(number));
    const cursor = async () => (await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId;
    await until(async () => (await cursor()) === "1121");
    expect(new Set(asked).size).toBe(120);
    expect(asked).toHaveLength(120);
    expect(most).toBeLessThanOrEqual(50);
  });

  /** An execution that somebody else's order has had. */
  function strangeFill(number: number): VenueFill {
    const { venueSymbol } = desk.instrument;
    const ids = { tradeId: String(number), venueOrderId: `strange-${number}`, venueSymbol };
    return { ...ids, side: "BUY", price: "100", size: "1", fee: "0", feeAsset: "USD", maker: false, atMs: number };
  }
});
