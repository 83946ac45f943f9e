import { describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { type Desk, useDesks, type World } from "./tracker.fixture.ts";
import { alertsAbout, changed, inState, place, requestOf, runSession } from "./tracker-rows.fixture.ts";
import { readUnbooked } from "./unbooked.ts";

let world: World;
let desk: Desk;
useDesks(4, { wakeups: createBullmqWakeups, lock: createRedlockLock }, (given) => {
  ({ world, desk } = given);
});

const OFTEN = {
  R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: "100",
  R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS: "100",
};

const LIMIT = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;

describe("an execution that the venue lists and that can not be booked", () => {
  /** A connector to a venue whose first trade has a size that no event may have, behind a row of an unknown form. */
  const broken = (account: VenueAccount) =>
    changed(account, {
      fills: async (query) => {
        const page = await account.fills(query);
        const unreadable = [{ tradeId: "900", venueOrderId: null, raw: '{"id":900}', reason: "price: is missing" }];
        return {
          ...page,
          unreadable,
          fills: page.fills.map((one) => (one.tradeId === "1" ? { ...one, size: "0" } : one)),
        };
      },
    });
  const kept = () => readUnbooked(world.database.db, desk.marketId, 10);

  test("is kept as it was told, with an alert; its order ends, and those behind it are booked", async () => {
    await desk.startTracker({ settings: OFTEN, account: broken });
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    const [first, second] = [requestOf(session, 1), requestOf(session, 2)];
    for (const order of [first, second]) await inState(world, await place(world, desk, order), "ACCEPTED");
    await desk.tick("100");
    await inState(world, second, "FILLED");
    const { stateReason, filledSize } = await inState(world, first, "EXPIRED");
    expect([stateReason, filledSize]).toEqual([
      "EXECUTION_NOT_BOOKED: of the 2 that the venue has executed not all could be booked.",
      "0",
    ]);
    const rows = (await kept()).toSorted((one, other) => one.tradeId.localeCompare(other.tradeId));
    expect(rows.map(({ tradeId, raw, reason }) => [tradeId, raw.slice(0, 10), reason])).toEqual([
      ["1", '{"tradeId"', "size: must be above zero"],
      ["900", '{"id":900}', "price: is missing"],
    ]);
    expect(await alertsAbout(world, desk.marketId)).toEqual(["EXECUTION_NOT_BOOKED"]);
  });

  test("does not leave an order UNKNOWN whose answer was lost", async () => {
    await desk.startTracker({ account: broken });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("GET order", () => desk.tick("101"));
    const order = await place(world, desk, requestOf(session, 1));
    expect((await inState(world, order, "EXPIRED")).stateReason).toStartWith("EXECUTION_NOT_BOOKED: ");
    expect((await kept()).some(({ tradeId }) => tradeId === "1")).toBe(true);
  });
});

describe("an execution that can not be read", () => {
  const listing = (isListed: () => boolean) => (account: VenueAccount) =>
    changed(account, {
      fills: async (query) => {
        const page = await account.fills(query);
        const unreadable = [{ tradeId: "900", venueOrderId: null, raw: '{"id":900}', reason: "price: is missing" }];
        return isListed() ? { ...page, unreadable, rows: page.rows + 1, lastId: "900" } : page;
      },
    });
  const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order").length;

  test("and that was there before an order does not keep it UNKNOWN: it is sent again", async () => {
    await desk.startTracker({ settings: OFTEN, account: listing(() => true) });
    const session = await runSession(world, desk);
    await until(async () => (await readUnbooked(world.database.db, desk.marketId, 10)).length === 1);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, decidedAtMs: Date.now() }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
  });

  test("and that came after an order of unknown fate may be it: the order is not sent again, and ends with the reason", async () => {
    await desk.startTracker({ settings: OFTEN, account: listing(() => sends() > 0) });
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, decidedAtMs: Date.now() }));
    expect((await inState(world, order, "REJECTED")).stateReason).toStartWith(
      "ABSENT: the venue knows no such order, and lists an execution that can not be read",
    );
    expect(sends()).toBe(1);
  });
});
