import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { TradingState } from "#shared/domain/account.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { Parts } from "./parts.ts";
import { createRoutes } from "./routes.ts";
import { type Desk, useDesks, type World } from "./tracker.fixture.ts";
import { changeSession, inState, openTasks, place, requestOf, runSession, statesOf } from "./tracker-rows.fixture.ts";

let world: World;
let desk: Desk;
useDesks(8, { wakeups: createBullmqWakeups, lock: createRedlockLock }, (given) => {
  ({ world, desk } = given);
});

const LIMIT = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;
const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order").length;

async function putAccount(state: TradingState): Promise<void> {
  await world.database.db.sql`update reference.accounts set trading_state = ${state} where id = ${desk.marketId}`;
}

async function rest(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const exchanges = { accounts: [{ id: desk.marketId, venue: desk.marketId }] };
  const deps = { db: world.database.db, exchanges, log: pino({ level: "silent" }) };
  const url = `http://localhost/api/order-position-tracker${path}`;
  const answer = await createRoutes({ deps } as unknown as Parts).handle(new Request(url));
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe("an account that was HALTED after risk decided", () => {
  test("sends nothing: the order is DENIED, and its task is over", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await putAccount("HALTED");
    const entry = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    const exit = await place(world, desk, requestOf(session, 2, { side: "SELL", reduceOnly: true }));
    for (const order of [entry, exit]) {
      const { stateReason } = await inState(world, order, "DENIED");
      expect(stateReason).toBe("ACCOUNT_HALTED: The account takes only cancels. The order was not sent.");
      expect(await statesOf(world, order)).toEqual(["DENIED"]);
      expect(await openTasks(world, order.id)).toBe(0);
    }
    expect(sends()).toBe(0);
  });

  test("is not sent an order again that never reached the venue", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "UNKNOWN");
    await putAccount("HALTED");
    expect((await inState(world, order, "REJECTED")).stateReason).toStartWith("ABSENT, ACCOUNT_HALTED: ");
    expect(sends()).toBe(1);
  });
});

describe("an account that is REDUCING", () => {
  test("takes what reduces alone", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await putAccount("REDUCING");
    const entry = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    expect((await inState(world, entry, "DENIED")).stateReason).toStartWith("ACCOUNT_REDUCING: ");
    const exit = await place(world, desk, requestOf(session, 2, { style: LIMIT, reduceOnly: true }));
    await inState(world, exit, "ACCEPTED");
  });
});

describe("a query", () => {
  test.each([
    ["/equity?sessionId=", "query.sessionId", "must not be empty"],
    ["/equity", "query.sessionId", "is missing"],
    ["/orders?sesionId=x", "query.sesionId", "is not known here; known: limit, cursor, sessionId"],
    ["/accounts?id=x", "query.id", "is not known here; nothing may stand here"],
  ])("%s is refused", async (path, field, message) => {
    expect(await rest(path)).toMatchObject({ status: 422, body: { errors: [{ field, message }] } });
  });
});

describe("GET /accounts/:id", () => {
  test("sums what its sessions own, and a deleted one owns nothing any more", async () => {
    await desk.startTracker();
    const first = await runSession(world, desk, { capital: "400" });
    await runSession(world, desk, { capital: "300" });
    const path = `/accounts/${desk.marketId}`;
    expect((await rest(path)).body).toMatchObject({ tradingState: "ACTIVE", balances: { USD: "700" } });
    await changeSession(world, desk, first, { state: "DELETED" });
    expect((await rest(path)).body).toMatchObject({ balances: { USD: "300" } });
    expect((await rest("/accounts")).body).toMatchObject({ items: [{ balances: { USD: "300" } }] });
  });
});
