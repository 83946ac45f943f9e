import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";

import { decideSignal } from "./decision/decide-signal.ts";
import { EXIT, fillOf, flattenWish, MARKET, riskSession, sent, World } from "./risk-manager.fixture.ts";

let world: World;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  await world.start();
  await world.start();
});
afterEach(async () => {
  await world.putAccount("ACTIVE");
});
afterAll(async () => {
  await world.close();
});

/** Awaits the decision of a signal. */
const decided = (signal: Pick<Signal, "id" | "sessionId">) =>
  until(async () => (await world.decisions(signal.sessionId)).find(({ signal_id: id }) => id === signal.id));

async function decide(signal: Signal) {
  await world.signal(signal);
  return decided(signal);
}

async function firstOrder(session: Session): Promise<OrderRequest> {
  const [order] = await world.placed(session.id);
  if (order === undefined) throw new Error("No order was made.");
  return order;
}

/** Awaits that statements with such a text wait for a lock. */
const waiting = (text: string, count = 1) =>
  until(async () => {
    const found = await world.database.db.sql`
      select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like ${`%${text}%`}
        and datname = current_database()`;
    return found.length >= count;
  });

/** A session that has bought ten at 100 and been told so. */
async function holding(): Promise<Session> {
  const session = await putSession(world.database.db.sql, riskSession());
  await decide(signalOf(session));
  const order = await firstOrder(session);
  await world.tell(sent(order), fillOf(order, session.id, "10"));
  await until(async () => (await world.reserved(order.id)) === null);
  return session;
}

describe("a signal", () => {
  test("is decided once though its task comes five times to two workers", async () => {
    const session = await putSession(world.database.db.sql, riskSession());
    const signal = signalOf(session);
    await world.signal(signal, 5);
    await until(async () => {
      const open = await world.database.db.sql`select 1 from queue.tasks where lane = ${session.id} and state = 'open'`;
      return open.length === 0;
    });
    expect(await world.decisions(session.id)).toMatchObject([{ signal_id: signal.id, kind: "approved", size: "10" }]);
    expect(await world.placed(session.id)).toMatchObject([
      { signalId: signal.id, number: 1, clientOrderId: `${session.code}-1`, size: "10", side: "BUY" },
    ]);
    expect((await world.told("signals", session.id)).map(({ type }) => type)).toEqual(["signal.approved"]);
    expect((await world.told("orders", session.id)).map(({ type }) => type)).toEqual(["order.changed"]);
  });

  test.each<[string, Partial<Session>, Partial<Signal>]>([
    ["SESSION_PAUSED", { state: "PAUSED" }, {}],
    ["SESSION_NOT_TRADING", { state: "STOPPING" }, {}],
    ["SESSION_NOT_TRADING", { state: "STOPPING" }, { intent: EXIT }],
    ["SIGNAL_STALE_RUN", { run: 2 }, { run: 1 }],
    ["SIGNAL_EXPIRED", {}, { validUntilMs: 999 }],
    ["NO_POSITION", {}, { intent: EXIT }],
    ["SIDE_NOT_SUPPORTED", {}, { intent: { kind: "enter", side: "SELL", style: { type: "MARKET" } } }],
    ["INSUFFICIENT_BALANCE", { capital: "1000" }, {}],
    ["INSTRUMENT_NOT_TRADING", {}, { instrumentId: "NDX/USD.paper" }],
  ])("that is denied as %s has a decision and an event, and no order", async (code, of, more) => {
    const session = await putSession(world.database.db.sql, riskSession(of));
    const signal = signalOf(session, more);
    expect(await decide(signal)).toMatchObject({ kind: "denied", code, order_id: null });
    expect(await world.told("signals", session.id)).toMatchObject([
      { type: "signal.denied", data: { signalId: signal.id, code } },
    ]);
    expect(await world.told("session-reports", session.id)).toMatchObject([
      { type: "report.denied", data: { run: signal.run, code } },
    ]);
    expect(await world.told("orders", session.id)).toEqual([]);
    expect(await world.placed(session.id)).toEqual([]);
  });
});

describe("a signal that waited", () => {
  test("is denied once the market's wall clock has passed its time, though no event told of it", async () => {
    const session = await putSession(world.database.db.sql, riskSession());
    MARKET.nowMs = 5_000;
    expect(await decide(signalOf(session, { validUntilMs: 4_999 }))).toMatchObject({ code: "SIGNAL_EXPIRED" });
    expect(await decide(signalOf(session, { validUntilMs: 5_000 }))).toMatchObject({ kind: "approved" });
    MARKET.nowMs = null;
  });
});

describe("the budget of a session", () => {
  test("is not exceeded by decisions that run at the same time, also not by the first ones", async () => {
    const session = await putSession(world.database.db.sql, riskSession({ capital: "2500" }));
    const { db } = world.database;
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((number) =>
        db.transaction((tx) => decideSignal(tx, world.ports, signalOf(session, { number }))),
      ),
    );
    const [made, ...put] = outcomes.toSorted((a, b) => a.status.localeCompare(b.status));
    expect(made).toMatchObject({ status: "fulfilled", value: { decision: "approved" } });
    // Whoever comes second sees an order whose fills are not in the book yet.
    for (const other of put) expect(other).toMatchObject({ status: "rejected", reason: { code: "NOT_YET" } });
    expect((await world.placed(session.id)).map(({ number }) => number)).toEqual([1]);
  });

  test("is decided on by one at a time: who comes second sees what the first has taken", async () => {
    const session = await holding();
    const { db } = world.database;
    let second: Promise<unknown> = Promise.resolve();
    await db.transaction(async (tx) => {
      await decideSignal(tx, world.ports, signalOf(session, { number: 2 }));
      const other = db.transaction((its) => decideSignal(its, world.ports, signalOf(session, { number: 3 })));
      second = other.catch((error: unknown) => error);
      await waiting("risk_manager.context");
    });
    expect(await second).toMatchObject({ code: "NOT_YET" });
  });

  test("is decided on by one at a time also where a denial has just opened it", async () => {
    const session = await putSession(world.database.db.sql, riskSession());
    const { db } = world.database;
    const others: Promise<string>[] = [];
    await db.transaction(async (tx) => {
      await decideSignal(tx, world.ports, signalOf(session, { validUntilMs: 1 }));
      for (const number of [2, 3]) {
        const decided = db.transaction((its) => decideSignal(its, world.ports, signalOf(session, { number })));
        others.push(
          decided.then(
            () => "decided",
            () => "refused",
          ),
        );
      }
      await waiting("risk_manager.context", 2);
    });
    expect((await Promise.all(others)).toSorted()).toEqual(["decided", "refused"]);
    expect(await world.placed(session.id)).toHaveLength(1);
  });

  test("is decided on when the book has all fills: until then a signal waits, which is no failure", async () => {
    const session = await putSession(world.database.db.sql, riskSession());
    await decide(signalOf(session));
    const entry = await firstOrder(session);
    const exit = signalOf(session, { intent: EXIT });
    await world.signal(exit);
    await until(async () => {
      const [task] = await world.database.db.sql<{ error: string | null; failures: number; attempts: number }[]>`
        select error, failures, attempts from queue.tasks where lane = ${session.id} and state = 'open'`;
      if (task?.error?.includes("does not have all fills") !== true || task.attempts < 2) return false;
      expect(task.failures).toBe(0);
      return true;
    });
    await world.tell(sent(entry), fillOf(entry, session.id, "10"));
    expect(await decided(exit)).toMatchObject({ kind: "approved", size: "10" });
  });

  test("is reserved by an order, less with each fill, and free when the order ends", async () => {
    const session = await putSession(world.database.db.sql, riskSession());
    await decide(signalOf(session));
    const order = await firstOrder(session);
    expect(await world.reserved(order.id)).toEqual({ quote: "1001", base: "0" });
    const [opened] = await world.database.db.sql<{ next: number; capital: string; at: number }[]>`
      select next_order_number as next, capital, market_at_ms as at from risk_manager.budgets
      where session_id = ${session.id}`;
    expect(opened).toEqual({ next: 2, capital: "10000", at: order.marketAtMs });
    const part = await world.tell(sent(order), fillOf(order, `${session.id}-1`, "4"));
    await until(async () => (await world.reserved(order.id))?.quote !== "1001");
    expect(await world.reserved(order.id)).toEqual({ quote: "600.6", base: "0" });
    await world.tell(part, { kind: "state", to: "CANCELED" });
    await until(async () => (await world.reserved(order.id)) === null);
    const [budget] = await world.database.db.sql<{ book: { cash: string } }[]>`
      select book from risk_manager.budgets where session_id = ${session.id}`;
    expect(budget?.book.cash).toBe("9600");
  });

  test("keeps what an exit closes from a second exit", async () => {
    const session = await holding();
    expect(await decide(signalOf(session, { intent: EXIT }))).toMatchObject({ kind: "approved", size: "10" });
    const second = signalOf(session, { intent: EXIT });
    await world.signal(second);
    const exit = (await world.placed(session.id)).at(-1) as OrderRequest;
    await world.tell(sent(exit), fillOf(exit, `${session.id}-exit`, "10"));
    expect(await decided(second)).toMatchObject({ code: "NO_POSITION" });
  });
});

describe("a pause", () => {
  test("that was committed before the decision denies the entry, and an exit passes", async () => {
    const session = await holding();
    await putSession(world.database.db.sql, { ...session, state: "PAUSED", version: 2 });
    expect(await decide(signalOf(session))).toMatchObject({ code: "SESSION_PAUSED" });
    expect(await decide(signalOf(session, { intent: EXIT }))).toMatchObject({ kind: "approved" });
  });

  test.each(["a session", "an account"])(
    "of %s waits for a decision that is being made, so that none is made after its answer",
    async (what) => {
      const session = await putSession(world.database.db.sql, riskSession());
      const pause = () => putSession(world.database.db.sql, { ...session, state: "PAUSED", version: 2 });
      const order: string[] = [];
      let paused: Promise<unknown> = Promise.resolve();
      await world.database.db.transaction(async (tx) => {
        await decideSignal(tx, world.ports, signalOf(session));
        const done = what === "a session" ? pause() : world.putAccount("HALTED");
        paused = done.then(() => order.push("paused"));
        await waiting(what === "a session" ? "reference.sessions" : "reference.accounts");
        order.push("decided");
      });
      await paused;
      expect(order).toEqual(["decided", "paused"]);
    },
  );
});

describe("a session that is degraded", () => {
  test.each([
    ["FEED_STALE", "deny-stale", "SESSION_DEGRADED"],
    ["FEED_STALE", "allow", null],
    ["ACCOUNT_UNREACHABLE", "deny-stale", null],
    ["ACCOUNT_UNREACHABLE", "deny", "SESSION_DEGRADED"],
  ] as const)(
    "by %s under the policy %s has its entry answered with %p, and its exit made",
    async (code, degradedEntries, expected) => {
      const session = await holding();
      const degraded = [{ code, sinceMs: 1, text: "It is away." }];
      const riskPolicy = { ...session.riskPolicy, degradedEntries };
      await putSession(world.database.db.sql, { ...session, degraded, riskPolicy, capital: "100000", version: 2 });
      const exit = signalOf(session, { number: 2, intent: EXIT });
      expect(await decide(exit)).toMatchObject({ kind: "approved", size: "10" });
      const sold = (await world.placed(session.id)).at(-1) as OrderRequest;
      await world.tell(sent(sold), fillOf(sold, `${session.id}-exit`, "10"));
      await until(async () => (await world.reserved(sold.id)) === null);
      expect((await decide(signalOf(session, { number: 3 }))).code).toBe(expected);
    },
  );
});

describe("an account", () => {
  test("that is REDUCING takes exits alone, one that is HALTED nothing", async () => {
    const session = await holding();
    await world.putAccount("HALTED");
    expect(await decide(signalOf(session))).toMatchObject({ code: "ACCOUNT_HALTED" });
    expect(await decide(signalOf(session, { intent: EXIT }))).toMatchObject({ code: "ACCOUNT_HALTED" });
    await world.putAccount("REDUCING");
    expect(await decide(signalOf(session))).toMatchObject({ code: "ACCOUNT_REDUCING" });
    expect(await decide(signalOf(session, { intent: EXIT }))).toMatchObject({ kind: "approved" });
  });
});

describe("the stop of a session that holds something", () => {
  const stop = (session: Session, more: Partial<Session> = {}) =>
    putSession(world.database.db.sql, { ...session, state: "STOPPING", version: session.version + 1, ...more });
  const orders = async ({ id }: Session) => (await world.placed(id)).filter(({ reduceOnly }) => reduceOnly);
  const faults = async ({ id }: Session) => {
    const told = await world.told("session-reports", id);
    return told.filter(({ type }) => type === "report.faulted").map(({ data }) => data["reason"]);
  };
  const outcome = (session: Session) => world.outcome(session);

  test("leads to one reduce-only market order for all of it, however often it is asked for", async () => {
    const session = await stop(await holding());
    for (let time = 0; time < 3; time += 1) await world.flatten(flattenWish(session));
    expect(await outcome(session)).toEqual({ decision: "orders are under way", orders: 1 });
    expect(await orders(session)).toMatchObject([
      { side: "SELL", size: "10", style: { type: "MARKET" }, reduceOnly: true, number: 2, validUntilMs: null },
    ]);
  });

  test("waits for orders whose end is not known yet, and is sized by all their fills", async () => {
    const held = await holding();
    await decide(signalOf(held));
    const entry = (await world.placed(held.id)).at(-1) as OrderRequest;
    const session = await stop(held);
    await world.flatten(flattenWish(session));
    expect(await outcome(session)).toEqual({ decision: "orders are under way", orders: 1 });
    const part = await world.tell(sent(entry), fillOf(entry, `${held.id}-2`, "3.00005"));
    await world.tell(part, { kind: "state", to: "CANCELED" });
    await until(async () => (await world.reserved(entry.id)) === null);
    await world.flatten(flattenWish(session));
    expect(await outcome(session)).toMatchObject({ decision: "approved", size: "13" });
  });

  test("does nothing where what is left is dust, or the session does not stop so", async () => {
    const held = await holding();
    const running = flattenWish(held);
    await world.flatten(running);
    expect(await outcome(held)).toEqual({ decision: "not wanted any more" });
    const keeping = await stop(held, { stopPolicy: "keep" });
    await world.flatten(flattenWish(keeping));
    expect(await outcome(held)).toEqual({ decision: "not wanted any more" });
    const session = await stop(keeping, { stopPolicy: "flatten" });
    await world.flatten({ ...flattenWish(session), mark: "0.9" });
    expect(await outcome(session)).toEqual({ decision: "flat already" });
    expect(await orders(session)).toEqual([]);
  });

  test("is a fault where risk may not make the order, and may be tried again by a new stop", async () => {
    const session = await stop(await holding());
    await world.putAccount("HALTED");
    await world.flatten(flattenWish(session));
    expect(await outcome(session)).toEqual({ decision: "denied", code: "ACCOUNT_HALTED" });
    expect(await faults(session)).toEqual([expect.stringContaining("ACCOUNT_HALTED")]);
    await world.putAccount("ACTIVE");
    await world.flatten(flattenWish(session));
    expect(await outcome(session)).toEqual({ decision: "failed" });
    const again = await stop(session);
    await world.flatten(flattenWish(again));
    expect(await outcome(again)).toMatchObject({ decision: "approved", size: "10" });
  });

  test.each([
    ["market orders of 3 at most", { marketMaxSize: "3" }, ["2.5", "2.5", "2.5", "2.5"]],
    ["a notional of 520 at most", { maxNotional: "520" }, ["5", "5"]],
    [
      "a notional of 520 at most, that is not for market orders",
      { maxNotional: "520", maxNotionalAppliesToMarket: false },
      ["10"],
    ],
    ["one open order", { marketMaxSize: "4", maxOpenOrders: 1 }, ["3.3334"]],
  ])("closes a position that is larger than the venue allows, by %s, in one decision", async (_what, limits, sizes) => {
    const held = await holding();
    const { sql } = world.database.db;
    await sql`update reference.instruments set instrument = ${sql.json({ ...spx, ...limits })} where id = ${spx.id}`;
    try {
      const session = await stop(held);
      await world.flatten(flattenWish(session));
      expect(await outcome(session)).toMatchObject({ decision: "approved" });
      const made = await orders(session);
      expect(made.map(({ size, number, signalOrders }) => [size, number, signalOrders])).toEqual(
        sizes.map((size, index) => [size, index + 2, sizes.length]),
      );
      expect(new Set(made.map(({ id }) => id)).size).toBe(sizes.length);
    } finally {
      await sql`update reference.instruments set instrument = ${sql.json(spx)} where id = ${spx.id}`;
    }
  });
});
