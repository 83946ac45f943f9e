import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { createRoutes } from "#services/order-position-tracker/routes.ts";
import {
  type Desk,
  deskSession,
  tellSession,
  useDesks,
  type World,
} from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  changeSession,
  inState,
  LIMIT,
  moneyOf,
  OFTEN,
  openTasks,
  place,
  reportedReason,
  reportsOf,
  requestOf,
  runSession,
  statesOf,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { DEPOSIT } from "#services/order-position-tracker/venue-process.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { TradingState } from "#shared/domain/account.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";

let world: World;
let desk: Desk;
useDesks(16, (given) => {
  ({ world, desk } = given);
});

const free = (owned: string) => plain(decimal(DEPOSIT).minus(owned));
const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order").length;

const asked = (what: string) => desk.proxy.passed.filter((one) => one.what === what).length;

/** Someone else with the account's key. */
function outsider(clientOrderId: string, more: object = {}) {
  const { instrument, outside } = desk;
  const order = { instrument, clientOrderId, side: "BUY", style: LIMIT, size: "1" } as const;
  return outside.place({ ...order, signedAtMs: Date.now(), recvWindowMs: 5_000, ...more });
}

async function putAccount(state: TradingState): Promise<void> {
  await world.database.db.sql`update reference.accounts set trading_state = ${state} where id = ${desk.marketId}`;
}

type Asked = Promise<{ status: number; body: Record<string, unknown> }>;
async function rest(path: string, account: Pick<VenueAccount, "balances"> = desk.outside): Asked {
  const exchanges = { accounts: [{ id: desk.marketId, venue: desk.marketId }], account: () => account };
  const deps = { db: world.database.db, exchanges, clock: systemClock, log: pino({ level: "silent" }) };
  const url = `http://localhost/api/order-position-tracker${path}`;
  const answer = await createRoutes({ deps } as unknown as TrackerContext).handle(new Request(url));
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
    expect((await inState(world, order, "REJECTED")).stateReason).toBe(
      "ABSENT, ACCOUNT_HALTED: the venue has not taken it, and it is not sent again. The account takes only cancels.",
    );
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

describe("the account's balances", () => {
  test("have to cover a session's capital: else it is faulted, with the amounts, and nothing is paid in", async () => {
    await desk.startTracker();
    const session = deskSession(desk, { capital: "1000000.01" });
    await tellSession(world, desk, session);
    await until(async () => (await reportsOf(world, session)).length > 0);
    expect(await reportsOf(world, session)).toEqual(["report.faulted"]);
    expect(await reportedReason(world, session)).toContain(
      "has 1000000 USD at its venue, but its sessions own 0 USD and this one still needs 1000000.01 USD: pay in",
    );
    expect(await moneyOf(world, session)).toEqual({});
  });

  test("are paid in once, whichever of the sessions that start at once comes first", async () => {
    await desk.startTracker();
    const crowd = Array.from({ length: 6 }, () => deskSession(desk, { capital: "300000" }));
    await Promise.all(crowd.map((session) => tellSession(world, desk, session)));
    await until(async () => {
      const told = await Promise.all(crowd.map((session) => reportsOf(world, session)));
      return told.every((reports) => reports.some((one) => one !== "report.waiting"));
    });
    const paid = await Promise.all(crowd.map((session) => moneyOf(world, session)));
    expect(paid.filter((money) => "USD" in money)).toHaveLength(3);
  });

  test("are read once for all sessions that start while they are read", async () => {
    const first = Promise.withResolvers<void>();
    let readings = 0;
    await desk.startTracker({
      account: (account) =>
        changed(account, {
          balances: async () => {
            readings += 1;
            await first.promise;
            return account.balances();
          },
        }),
    });
    await until(() => desk.proxy.heard >= 2);
    const crowd = Array.from({ length: 12 }, () => deskSession(desk, { capital: "10" }));
    await Promise.all(crowd.map((session) => tellSession(world, desk, session)));
    await until(() => readings === 1 && desk.seriesAsked === crowd.length);
    first.resolve();
    for (const session of crowd) {
      await until(async () => (await reportsOf(world, session)).includes("report.reconciled"));
    }
    // One that came late to the second, and the account's own comparison, may each have made one more.
    expect(readings).toBeLessThanOrEqual(4);
  });

  test("are read again where an execution was booked between their reading and the payment", async () => {
    const booked = Promise.withResolvers<void>();
    let isHeld = false;
    await desk.startTracker({
      account: (account) =>
        changed(account, {
          balances: async () => {
            const balances = await account.balances();
            if (isHeld) await booked.promise;
            return balances;
          },
        }),
    });
    const first = await runSession(world, desk, { capital: "600000" });
    await until(() => desk.proxy.heard >= 2);
    isHeld = true;
    const second = deskSession(desk, { capital: "450000" });
    const before = asked("GET account");
    await tellSession(world, desk, second);
    await until(() => asked("GET account") > before);
    const order = await place(world, desk, requestOf(first, 1, { size: "1000" }));
    await inState(world, order, "ACCEPTED");
    await desk.tick("100");
    await inState(world, order, "FILLED");
    isHeld = false;
    booked.resolve();
    const ends = ["report.faulted", "report.reconciled"];
    await until(async () => (await reportsOf(world, second)).some((report) => ends.includes(report)));
    expect(await reportedReason(world, second)).toContain(
      "has 900000 USD at its venue, but its sessions own 500000 USD and this one still needs 450000 USD",
    );
    expect(await moneyOf(world, second)).toEqual({});
  });

  test("cover it with what orders lock, less what the account's other sessions own", async () => {
    await outsider("before-1");
    await desk.startTracker();
    await runSession(world, desk, { capital: "600000" });
    await runSession(world, desk, { capital: "400000" });
    const third = deskSession(desk, { capital: "0.01" });
    await tellSession(world, desk, third);
    await until(async () => (await reportsOf(world, third)).includes("report.faulted"));
    expect(await reportedReason(world, third)).toContain("its sessions own 1000000 USD");
  });

  test("are an alert where the venue has less than the sessions own, once, and over when it has it again", async () => {
    await desk.startTracker({ settings: OFTEN });
    await runSession(world, desk, { capital: "999950" });
    // Someone's own money, and more of it than the sessions own: no alert.
    const before = asked("GET account");
    await until(async () => asked("GET account") >= before + 3);
    const mismatches = async () =>
      (await alertsAbout(world, desk.marketId)).filter((code) => code.includes("BALANCE_MISMATCH"));
    expect(await mismatches()).toEqual([]);
    await outsider("other-1", { style: { type: "MARKET" } });
    await desk.tick("100");
    await until(async () => (await mismatches()).length > 0);
    await outsider("other-2", { style: { type: "MARKET" } });
    await desk.tick("100");
    const then = asked("GET account");
    await until(async () => asked("GET account") >= then + 3);
    expect(await mismatches()).toEqual(["BALANCE_MISMATCH"]);
    for (const id of ["other-3", "other-4"])
      await outsider(id, { style: { type: "MARKET" }, side: "SELL", size: "0.9" });
    await desk.tick("200");
    await until(async () => (await mismatches()).length > 1);
    expect(await mismatches()).toEqual(["BALANCE_MISMATCH", "-BALANCE_MISMATCH"]);
  });
});

describe("a query", () => {
  test.each([
    ["/equity?sessionId=", "query.sessionId", "must not be empty"],
    ["/equity", "query.sessionId", "is missing"],
    ["/orders?sesionId=x", "query.sesionId", "is not known here; known: limit, cursor, sessionId, order"],
    ["/accounts?id=x", "query.id", "is not known here; known: atVenue"],
  ])("%s is refused", async (path, field, message) => {
    expect(await rest(path)).toMatchObject({ status: 422, body: { errors: [{ field, message }] } });
  });
});

describe("GET /accounts/:id", () => {
  test("shows what there is, what its sessions own and what is free; a deleted session owns nothing any more", async () => {
    await desk.startTracker();
    const first = await runSession(world, desk, { capital: "400" });
    await runSession(world, desk, { capital: "300" });
    const path = `/accounts/${desk.marketId}`;
    expect((await rest(path)).body).toMatchObject({
      tradingState: "ACTIVE",
      balances: { USD: { total: DEPOSIT, owned: "700", free: free("700") } },
      balancesReason: null,
    });
    await changeSession(world, desk, first, { state: "DELETED" });
    const balances = { USD: { total: DEPOSIT, owned: "300", free: free("300") } };
    expect((await rest(path)).body).toMatchObject({ balances });
    expect((await rest("/accounts")).body).toMatchObject({ items: [{ balances }] });
  });

  test("has the strictest trading state of all that holds the account, and says why", async () => {
    await desk.startTracker();
    await runSession(world, desk, { capital: "300" });
    const { sql } = world.database.db;
    const path = `/accounts/${desk.marketId}?atVenue=false`;
    const scope = `account:${desk.marketId}`;
    const states = async () => {
      const { tradingState, stateReason } = (await rest(path)).body;
      expect((await rest("/accounts?atVenue=false")).body).toMatchObject({ items: [{ tradingState, stateReason }] });
      return [tradingState, stateReason];
    };
    expect(await states()).toEqual(["ACTIVE", null]);
    await sql`insert into reference.risk_states values (${scope}, 2, null, 'set by me', 0)`;
    const since = "since 1970-01-01T00:00:00.000Z";
    expect(await states()).toEqual(["REDUCING", `The account ${desk.marketId} is REDUCING ${since}: set by me.`]);
    await sql`insert into reference.risk_states values ('all', 3, null, 'killed by me', 0)`;
    expect(await states()).toEqual(["HALTED", `All accounts are HALTED ${since}: killed by me.`]);
    await sql`delete from reference.risk_states`;
    await sql`insert into reference.risk_states values (${scope}, 2, null, 'set by me', 0)`;
    await sql`update reference.accounts set trading_state = 'HALTED', state_reason = 'Its ids began anew' where id = ${desk.marketId}`;
    const own = `The account ${desk.marketId} is HALTED by itself: Its ids began anew.`;
    expect(await states()).toEqual(["HALTED", own]);
  });

  test("asks no venue where that is not wanted, and says why where one does not answer", async () => {
    await desk.startTracker();
    await runSession(world, desk, { capital: "300" });
    const path = `/accounts/${desk.marketId}`;
    const away = {
      balances: () => Promise.reject(new AppError("VENUE_UNAVAILABLE", "outage", "It does not answer.")),
    };
    const unknown = { balances: { USD: { total: null, owned: "300", free: null } } };
    const why = "The venue could not be asked. It does not answer.";
    expect((await rest(path, away)).body).toMatchObject({ ...unknown, balancesReason: why });
    expect((await rest(`${path}?atVenue=false`, away)).body).toMatchObject({ ...unknown, balancesReason: null });
  });
});
