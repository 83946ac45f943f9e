import { describe, expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  changeSession,
  fillRows,
  inState,
  LIMIT,
  moneyOf,
  openTasks,
  orderRow,
  place,
  requestOf,
  runSession,
  statesOf,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import type { PlaceOutcome } from "#shared/exchange/exchange.ts";
import { CANCEL_ORDER } from "#shared/messages/tasks.ts";

let world: World;
let desk: Desk;
useDesks(19, (given) => {
  ({ world, desk } = given);
});

const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order");
const venueOrder = (clientOrderId: string) => desk.outside.order({ instrument: desk.instrument, clientOrderId });
const venueFills = async () => (await desk.outside.fills({ instrument: desk.instrument, limit: 100 })).fills;

describe("an order whose answer is lost", () => {
  test("is UNKNOWN, then what the venue says it is: one order there and one here", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", "lose-answer");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    const resolved = await inState(world, order, "ACCEPTED");
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "UNKNOWN", "ACCEPTED"]);
    expect(resolved).toMatchObject({ attempt: 1, venueOrderId: (await venueOrder(order.clientOrderId))?.venueOrderId });
    expect(sends()).toHaveLength(1);
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
    expect(await openTasks(world, order.id)).toBe(0);
  });

  test("and that has been filled meanwhile is FILLED with its fill booked once", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("GET order", () => desk.tick("101"));
    const order = await place(world, desk, requestOf(session, 1));
    const filled = await inState(world, order, "FILLED");
    expect(filled).toMatchObject({ filledSize: "2", averagePrice: "101", attempt: 1 });
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(sends()).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });
});

describe("an order that the venue denies knowing while its list of fills has one that could be its", () => {
  /** A market order whose answer is lost, filled, and that the first question after its window does not find. */
  async function staleAnswer() {
    await desk.startTracker({ settings: { R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: "1000" } });
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("GET order", { code: -2013, msg: "Order does not exist." });
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "UNKNOWN");
    return { session, order };
  }

  test("is asked for again, and not sent again", async () => {
    const { session, order } = await staleAnswer();
    await desk.tick("101");
    const filled = await inState(world, order, "FILLED");
    expect(filled).toMatchObject({ filledSize: "2", attempt: 1 });
    expect(sends()).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("is proven absent once that fill is known to be someone else's", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "UNKNOWN");
    const intent = { signedAtMs: await desk.outside.serverTimeMs(), recvWindowMs: 5_000 };
    const hand = { clientOrderId: "by-hand", side: "BUY", style: { type: "MARKET" }, size: "1" } as const;
    await desk.outside.place({ instrument: desk.instrument, ...hand, ...intent });
    await desk.tick("101");
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
    expect(await alertsAbout(world, desk.marketId)).toContain("FOREIGN_FILL");
  });
});

/** The equity of a session is measured at a close of its market, at this time. */
const measureAt = ({ id }: Session, closeAtMs: number) => world.database.db.sql`
  insert into order_position_tracker.equity_points values (${id}, 1, ${closeAtMs}, 1, 1, 0, 1)`;

describe("an order whose signal is stale", () => {
  test("by the time of its replay, which is in what is stored of it, is EXPIRED before it is sent", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await measureAt(session, 6);
    const stale = await place(world, desk, requestOf(session, 1, { marketAtMs: 4, validUntilMs: 5 }));
    expect((await inState(world, stale, "EXPIRED")).stateReason).toContain("was not sent");
    const fresh = await place(world, desk, requestOf(session, 2, { marketAtMs: 4, validUntilMs: 6, style: LIMIT }));
    await inState(world, fresh, "ACCEPTED");
    expect(sends()).toHaveLength(1);
  });

  test("by the market's wall clock is EXPIRED before it is sent", async () => {
    await desk.startTracker({ marketNowMs: 6 });
    const session = await runSession(world, desk);
    const stale = await place(world, desk, requestOf(session, 1, { validUntilMs: 5 }));
    expect((await inState(world, stale, "EXPIRED")).stateReason).toContain("was not sent");
    const fresh = await place(world, desk, requestOf(session, 2, { validUntilMs: 6, style: LIMIT }));
    await inState(world, fresh, "ACCEPTED");
    expect(sends()).toHaveLength(1);
  });
});

describe("an order that never reached the venue", () => {
  test("is sent again under its id only after window and skew have passed on the venue's clock", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    const accepted = await inState(world, order, "ACCEPTED");
    expect(accepted.attempt).toBe(2);
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "UNKNOWN", "SUBMITTED", "ACCEPTED"]);
    const [first, second] = sends().map(({ params }) => params);
    expect(second?.get("newClientOrderId")).toBe(order.clientOrderId);
    expect(first?.get("newClientOrderId")).toBe(order.clientOrderId);
    expect(Number(second?.get("timestamp"))).toBeGreaterThan(Number(first?.get("timestamp")) + 400 + 50);
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });

  test("before its window was over is sent again, as the venue refuses what comes too late", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const lateFromMs = (await desk.outside.serverTimeMs()) + 600;
    desk.proxy.next("POST order", async () => {
      await until(async () => (await desk.outside.serverTimeMs()) > lateFromMs);
    });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
    expect(sends()).toHaveLength(2);
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });

  test("is REJECTED once its signal is not valid any more", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", async () => {
      await measureAt(session, 11);
      return "lose-request";
    });
    const order = await place(world, desk, requestOf(session, 1, { marketAtMs: 4, validUntilMs: 5 }));
    const rejected = await inState(world, order, "REJECTED");
    expect(rejected.stateReason).toBe(
      "ABSENT: the venue has not taken it, and it is not sent again. Its signal is not valid any more.",
    );
    expect(sends()).toHaveLength(1);
    expect(await venueOrder(order.clientOrderId)).toBeNull();
  });

  test("and that is REJECTED as absent although the venue executes it later changes the position, with an alert", async () => {
    // One question, once the window is over.
    await desk.startTracker({ settings: { R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: "1000" } });
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", async () => {
      await measureAt(session, 11);
      return "lose-answer";
    });
    desk.proxy.next("GET order", { code: -2013, msg: "Order does not exist." });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, marketAtMs: 4, validUntilMs: 5 }));
    const rejected = await inState(world, order, "REJECTED");
    expect(rejected).toMatchObject({ attempt: 1, venueOrderId: null, stateReason: expect.stringContaining("ABSENT") });
    await desk.tick("50");
    expect(await venueFills()).toHaveLength(1);
    // From here on only the venue's list tells of it.
    desk.proxy.mendStream();
    const filled = await inState(world, order, "FILLED");
    expect(filled.venueOrderId).toBe((await venueOrder(order.clientOrderId))?.venueOrderId ?? "");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual(["LATE_FILL"]);
    expect(await alertsAbout(world, desk.marketId)).toEqual([]);
  });

  test("is REJECTED where its session is paused, as it would not be sent at all, and a reduce-only one is sent", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const held = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, held, "ACCEPTED");
    desk.proxy.next("POST order", "lose-request");
    desk.proxy.next("GET order", async () => void (await changeSession(world, desk, session, { state: "PAUSED" })));
    const entry = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    expect((await inState(world, entry, "REJECTED")).stateReason).toContain("PAUSED");
    const late = await place(world, desk, requestOf(session, 3, { style: LIMIT }));
    expect(await inState(world, late, "CANCELED")).toMatchObject({
      signedAtMs: null,
      stateReason: "The session is PAUSED. The order was not sent.",
    });
    await desk.tick("50");
    await inState(world, held, "FILLED");
    desk.proxy.next("POST order", "lose-request");
    const exit = await place(world, desk, requestOf(session, 4, { side: "SELL", size: "1", reduceOnly: true }));
    expect((await inState(world, exit, "ACCEPTED")).attempt).toBe(2);
  });

  test("and that is to be canceled ends CANCELED once it is proven absent", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "UNKNOWN");
    await world.database.db.transaction((tx) =>
      desk.queue.enqueue(tx, {
        task: CANCEL_ORDER,
        lane: order.id,
        payload: { orderId: order.id, sessionId: "s", reason: "test" },
        priority: 0,
      }),
    );
    await inState(world, order, "CANCELED");
    await until(async () => (await openTasks(world, order.id)) === 0);
    expect(sends()).toHaveLength(1);
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "UNKNOWN", "PENDING_CANCEL", "CANCELED"]);
  });
});

describe("a worker that ends between the intent and the send", () => {
  test("leaves an order that the next one proves absent and sends once", async () => {
    let crashes = 1;
    await desk.startTracker({
      failpoint: (point) => {
        if (point === "tracker.intent-committed" && crashes-- > 0) throw new Error("It ends here.");
      },
    });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
    expect(sends()).toHaveLength(1);
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });

  test("or after the send leaves one that the next one finds at the venue", async () => {
    let crashes = 1;
    await desk.startTracker({
      failpoint: (point) => {
        if (point === "tracker.order-sent" && crashes-- > 0) throw new Error("It ends here.");
      },
    });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(1);
    expect(sends()).toHaveLength(1);
  });

  test("that was frozen and wakes up when its lane has been taken over changes nothing", async () => {
    const frozen = Promise.withResolvers<void>();
    const woken = Promise.withResolvers<void>();
    const late = Promise.withResolvers<PlaceOutcome>();
    let firstAtMs: number | undefined;
    const first = await desk.startTracker({
      account: (account) =>
        changed(account, {
          async place(request) {
            if (request.signedAtMs !== (firstAtMs ??= request.signedAtMs)) return account.place(request);
            frozen.resolve();
            await woken.promise;
            const outcome = await account.place(request);
            late.resolve(outcome);
            return outcome;
          },
        }),
    });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await frozen.promise;
    // As if its lease had run out: another worker takes the lane while the first one is asleep.
    await world.database.db.sql`
      update queue.lanes set lease_until = null, wake_at = now(), owner = null, epoch = epoch + 1 where lane = ${order.id}`;
    await desk.startTracker();
    await until(async () => (await openTasks(world, order.id)) === 0).finally(woken.resolve);
    const accepted = await inState(world, order, "ACCEPTED");
    expect(accepted.attempt).toBe(2);
    expect(await late.promise).toEqual({ kind: "window-passed" });
    // Its end waits for what it is doing.
    await first.stop();
    expect(await orderRow(world, order.id)).toEqual(accepted);
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });
});

describe("an order of a size that only the venue's newest step allows", () => {
  const setSizeStep = (step: string) =>
    world.database.db.sql`
      update reference.instruments set instrument = jsonb_set(instrument, '{sizeStep}', to_jsonb(${step}::text))
      where id = ${desk.instrument.id}`;

  test("is sent", async () => {
    await setSizeStep("1");
    await desk.startTracker();
    const session = await runSession(world, desk);
    await inState(world, await place(world, desk, requestOf(session, 1, { style: LIMIT, size: "2" })), "ACCEPTED");
    await setSizeStep(desk.instrument.sizeStep);
    await inState(world, await place(world, desk, requestOf(session, 2, { style: LIMIT, size: "1.5" })), "ACCEPTED");
  });
});

describe("an order that the venue refuses", () => {
  test("is REJECTED with the venue's code, and nothing is at the venue", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { size: "1000000" }));
    expect((await inState(world, order, "REJECTED")).stateReason).toMatch(/^-2010: /);
    expect(await openTasks(world, order.id)).toBe(0);
    expect(await venueFills()).toEqual([]);
  });
});
