import { describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import { readFillCursor } from "./account/fill-cursor-store.ts";
import { type Desk, useDesks, type World } from "./tracker.fixture.ts";
import {
  alertsAbout,
  changeSession,
  fillRows,
  inState,
  LIMIT,
  moneyOf,
  OFTEN,
  orderRow,
  place,
  reportsOf,
  requestOf,
  runSession,
  statesOf,
  venueMoney,
} from "./tracker-rows.fixture.ts";

let world: World;
let desk: Desk;
useDesks(18, (given) => {
  ({ world, desk } = given);
});

const SETTINGS = { ...OFTEN, R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS: "0" };

describe("a venue that bans", () => {
  test("is left alone until the time that it has named, by every process; orders wait and say so, cancels go first", async () => {
    await desk.startTracker({ settings: SETTINGS });
    await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    const open = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, open, "ACCEPTED");
    await desk.misbehave({ fault: "banned", status: 418, retryAfterMs: 4_000, times: 1 });
    await until(async () => (await reportsOf(world, session)).includes("report.degraded"));
    const bannedAtMs = Date.now();
    // The other process learns of it before its next request, a second later at most.
    await until(() => Date.now() > bannedAtMs + 1_000);
    const asked = desk.proxy.passed.length;
    const waiting = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    const { stateReason } = await inState(world, waiting, "INITIALIZED");
    expect(stateReason).toStartWith("It waits until ");
    await changeSession(world, desk, { ...session, version: 5 }, { state: "STOPPING", stopPolicy: "cancel" });
    await until(() => Date.now() > bannedAtMs + 2_800);
    expect(desk.proxy.passed.length).toBe(asked);
    expect((await orderRow(world, waiting.id))?.state).not.toBe("SUBMITTED");
    await inState(world, open, "CANCELED");
    expect(desk.proxy.passed.slice(asked).some(({ what }) => what === "POST order")).toBe(false);
    await until(async () => (await reportsOf(world, session)).includes("report.stopped"));
  });

  test("in the moment of an order leaves it UNKNOWN until it can be asked, and it is sent once", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    await desk.misbehave({ fault: "banned", what: "POST order", status: 429, retryAfterMs: 1_000, times: 1 });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
    expect(await statesOf(world, order)).toContain("UNKNOWN");
    expect(await desk.outside.openOrders(desk.instrument)).toHaveLength(1);
  });
});

describe("a venue that has had too many new orders of an account", () => {
  test("takes no other for a while, and is still asked for cancels", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const open = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, open, "ACCEPTED");
    desk.proxy.next("POST order", {
      status: 429,
      code: -1015,
      msg: `Too many new orders; banned until ${Date.now() + 3_000}.`,
    });
    const refused = await place(world, desk, requestOf(session, 2, { style: LIMIT }));
    await inState(world, refused, "UNKNOWN");
    const waiting = await place(world, desk, requestOf(session, 3, { style: LIMIT }));
    expect((await inState(world, waiting, "INITIALIZED")).stateReason).toStartWith("It waits until ");
    await changeSession(world, desk, session, { state: "STOPPING", stopPolicy: "cancel" });
    await inState(world, open, "CANCELED");
    expect(desk.proxy.passed.filter(({ what }) => what === "POST order")).toHaveLength(2);
  });

  test("has not taken it: it is sent again at the end of that, without a wait for lists that lag", async () => {
    await desk.startTracker({ listLagMs: 600_000 });
    const session = await runSession(world, desk);
    const msg = `Too many new orders; banned until ${Date.now() + 1_500}.`;
    desk.proxy.next("POST order", { status: 429, code: -1015, msg });
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(1);
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "UNKNOWN", "SUBMITTED", "ACCEPTED"]);
  });
});

describe("a user stream", () => {
  test.each([
    ["that is silent", { fault: "stream-silent", kind: "user" }],
    ["that tells all twice", { fault: "stream-doubled", kind: "user" }],
    ["that turns its frames around", { fault: "stream-turned", kind: "user" }],
    ["that tells all late", { fault: "stream-delayed", kind: "user", delayMs: 400 }],
  ])("%s changes nothing but how soon an execution is known", async (_what, fault) => {
    await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    await desk.misbehave(fault);
    for (const number of [1, 2, 3]) {
      const order = await place(world, desk, requestOf(session, number));
      await until(async () => ["ACCEPTED", "FILLED"].includes((await orderRow(world, order.id))?.state ?? ""));
      await desk.tick("100");
      await inState(world, order, "FILLED");
    }
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });
});

describe("a venue that takes another commission than its list says", () => {
  test("negative, or in a third asset: positions, ledger and balances are the venue's to the last digit", async () => {
    await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    for (const [index, commission] of [{ share: "-0.0001" }, { share: "-0.0002", asset: "BNB" }].entries()) {
      await desk.misbehave({ fault: "commission", ...commission });
      const order = await place(world, desk, requestOf(session, index + 1));
      await inState(world, order, "ACCEPTED");
      await desk.tick("100");
      await inState(world, order, "FILLED");
    }
    const money = await moneyOf(world, session);
    expect(money).toEqual(await venueMoney(desk));
    expect(money).toMatchObject({ SPX: ["4.0002", "4.0002"], BNB: ["0.04", "0.04"] });
    expect(await alertsAbout(world, desk.marketId)).toEqual([]);
  });
});

describe("a session that is FAULTED", () => {
  test("while it holds a position is told of, until the position is closed", async () => {
    await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    const bought = await place(world, desk, requestOf(session, 1));
    await inState(world, bought, "ACCEPTED");
    await desk.tick("100");
    await inState(world, bought, "FILLED");
    const faulted = await changeSession(world, desk, session, { state: "FAULTED", stateReason: "It threw." });
    await until(async () => (await alertsAbout(world, session.id)).length === 1);
    expect(await alertsAbout(world, session.id)).toEqual(["FAULTED_WITH_POSITION"]);
    const sold = await place(world, desk, requestOf(faulted, 2, { side: "SELL", size: "1.99", reduceOnly: true }));
    await inState(world, sold, "ACCEPTED");
    await desk.tick("100");
    await inState(world, sold, "FILLED");
    // What is left no order could close.
    expect(await alertsAbout(world, session.id)).toEqual(["FAULTED_WITH_POSITION", "-FAULTED_WITH_POSITION"]);
  });
});

describe("a session that is FAULTED while an order of it is open", () => {
  test("is told of once the order is executed", async () => {
    await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    const bought = await place(world, desk, requestOf(session, 1));
    await inState(world, bought, "ACCEPTED");
    await changeSession(world, desk, session, { state: "FAULTED", stateReason: "It threw." });
    await desk.tick("100");
    await inState(world, bought, "FILLED");
    await until(async () => (await alertsAbout(world, session.id)).includes("FAULTED_WITH_POSITION"));
  });
});

describe("a venue whose ids begin anew", () => {
  test.each([
    ["halts the account with the reason; a new era of its ids lets it trade, and books what came meanwhile", true],
    ["is noticed also where neither stream nor list but the order alone tells of an execution", false],
  ])("%s", async (_what, heard) => {
    const tracker = await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    const fill = async (number: number, more: Partial<OrderRequest> = {}) => {
      const order = await place(world, desk, requestOf(session, number, more));
      await until(async () => (await orderRow(world, order.id))?.state === "ACCEPTED");
      await desk.tick("100");
      return order;
    };
    await inState(world, await fill(1), "FILLED");
    await inState(world, await fill(2), "FILLED");
    await until(
      async () => (await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId === "2",
    );
    const old = await place(world, desk, requestOf(session, 7, { style: LIMIT }));
    await inState(world, old, "ACCEPTED");
    if (!heard) desk.proxy.cutStream();
    await desk.misbehave({ fault: "ids-begin-anew", times: 1 });
    const bought = await fill(3, { size: "1" });
    await until(async () => (await alertsAbout(world, desk.marketId)).includes("ACCOUNT_IDS_BEGAN_ANEW"));
    const denied = await place(world, desk, requestOf(session, 4));
    expect((await inState(world, denied, "DENIED")).stateReason).toStartWith("ACCOUNT_HALTED: ");
    const account = async (path = "") => tracker.ask(`/accounts/${desk.marketId}${path}`, path === "" ? "GET" : "POST");
    expect(await account()).toMatchObject({
      status: 200,
      body: { tradingState: "HALTED", era: 0, stateReason: expect.stringContaining("have begun anew") },
    });
    // Not before the venue would list what was sent a moment ago.
    await until(async () => (await account("/new-era")).status === 200);
    expect(await account()).toMatchObject({ status: 200, body: { tradingState: "ACTIVE", era: 1 } });
    expect(await account("/new-era")).toMatchObject({ status: 409 });
    // With lists that do not lag it may be known as lost before.
    expect((await inState(world, old, "EXPIRED")).stateReason).toMatch(/^(NEW_ERA|LOST_AT_VENUE): /);
    // It was made in the new ids: it is open until its fill is booked, so that nothing is bought in its place.
    await inState(world, bought, "FILLED");
    expect(await statesOf(world, bought)).not.toContain("EXPIRED");
    expect(await fillRows(world, bought)).toHaveLength(1);
    await inState(world, await fill(5, { size: "1" }), "FILLED");
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect((await alertsAbout(world, desk.marketId)).filter((code) => code.includes("IDS_BEGAN_ANEW"))).toEqual([
      "ACCOUNT_IDS_BEGAN_ANEW",
      "-ACCOUNT_IDS_BEGAN_ANEW",
    ]);
  });

  test("and whose lists lag is waited for before an order of which it does not know is given up", async () => {
    const tracker = await desk.startTracker({ listLagMs: 600_000 });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    await desk.misbehave({ fault: "ids-begin-anew", times: 1 });
    await until(async () => (await desk.outside.openOrders(desk.instrument)).length === 0);
    await world.database.db.sql`
      update reference.accounts set trading_state = 'HALTED', state_reason = 'ACCOUNT_IDS_BEGAN_ANEW: it was reset'
      where id = ${desk.marketId}`;
    const answer = await tracker.ask(`/accounts/${desk.marketId}/new-era`, "POST");
    expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining("ask again in 60") } });
    expect((await orderRow(world, order.id))?.state).toBe("ACCEPTED");
  });

  test("and that lists again what was booked before its new era has it counted once", async () => {
    const tracker = await desk.startTracker({ settings: SETTINGS });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "ACCEPTED");
    await desk.tick("100");
    await inState(world, order, "FILLED");
    // Of another instrument's ids: here the venue's list is what it was.
    await world.database.db.sql`
      update reference.accounts set trading_state = 'HALTED', state_reason = 'ACCOUNT_IDS_BEGAN_ANEW: another one'
      where id = ${desk.marketId}`;
    expect(await tracker.ask(`/accounts/${desk.marketId}/new-era`, "POST")).toMatchObject({ status: 200 });
    await until(
      async () => (await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId === "1",
    );
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });
});
