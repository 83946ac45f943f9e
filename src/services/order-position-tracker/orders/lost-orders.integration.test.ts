import { describe, expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  changeSession,
  inState,
  LIMIT,
  moneyOf,
  OFTEN,
  orderRow,
  place,
  reportsOf,
  requestOf,
  runSession,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";

let world: World;
let desk: Desk;
useDesks(4, (given) => {
  ({ world, desk } = given);
});

describe("an order that the venue has accepted and forgotten", () => {
  /** A connector to a venue that lists no orders while it is blind. */
  function blindable(view: { blind: boolean }) {
    return (account: VenueAccount) =>
      changed(account, {
        order: async (query) => (view.blind ? null : account.order(query)),
        orderByVenueId: async (query) => (view.blind ? null : account.orderByVenueId(query)),
        openOrders: async (instrument) => (view.blind ? [] : account.openOrders(instrument)),
      });
  }

  test("ends as LOST_AT_VENUE once the lists are newer, with an alert, and the session goes on", async () => {
    await desk.startTracker({ listLagMs: 600, settings: OFTEN });
    const session = await runSession(world, desk);
    await desk.misbehave({ fault: "order-forgotten", times: 1 });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    const beganMs = Date.now();
    const { stateReason, signedAtMs } = await inState(world, order, "EXPIRED");
    expect(stateReason).toStartWith("LOST_AT_VENUE: the venue had accepted it as ");
    expect(beganMs + 10_000).toBeGreaterThan(Date.now());
    expect(Date.now() - (signedAtMs ?? 0)).toBeGreaterThan(50 + 600);
    expect(await alertsAbout(world, session.id)).toEqual(["LOST_AT_VENUE"]);
    const next = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    await inState(world, next, "ACCEPTED");
  });

  test("long ago is waited for as long, from when the venue first knew it no more, and is open when it knows it again", async () => {
    const view = { blind: false };
    await desk.startTracker({ listLagMs: 1_500, settings: OFTEN, account: blindable(view) });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    const { signedAtMs } = await inState(world, order, "ACCEPTED");
    await until(() => Date.now() > (signedAtMs ?? 0) + 400 + 50 + 1_500 + 100);
    const isMissing = async () => {
      const rows = await world.database.db.sql`
        select from order_position_tracker.orders where id = ${order.id} and missing_since_ms is not null`;
      return rows.length === 1;
    };
    view.blind = true;
    await until(isMissing);
    view.blind = false;
    await until(async () => !(await isMissing()));
    expect((await orderRow(world, order.id))?.state).toBe("ACCEPTED");
    await desk.tick("50");
    await inState(world, order, "FILLED");
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });

  test("and that comes back after it was given up is told of, and what it executes is booked", async () => {
    const view = { blind: false };
    await desk.startTracker({ settings: OFTEN, account: blindable(view) });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    view.blind = true;
    await inState(world, order, "EXPIRED");
    view.blind = false;
    await until(async () => (await alertsAbout(world, session.id)).includes("LATE_ACCEPTANCE"));
    await desk.tick("50");
    await inState(world, order, "FILLED");
    expect(await alertsAbout(world, session.id)).toEqual(["LOST_AT_VENUE", "LATE_ACCEPTANCE", "LATE_FILL"]);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("ends as LOST_AT_VENUE also where it is to be canceled, and never says that it had not reached the venue", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk, { stopPolicy: "cancel" });
    await desk.misbehave({ fault: "order-unheard", times: 1 });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    await changeSession(world, desk, session, { state: "STOPPING" });
    expect((await inState(world, order, "EXPIRED")).stateReason).toStartWith("LOST_AT_VENUE: ");
    expect(await alertsAbout(world, session.id)).toEqual(["LOST_AT_VENUE"]);
    await until(async () => (await reportsOf(world, session)).includes("report.stopped"));
  });
});
