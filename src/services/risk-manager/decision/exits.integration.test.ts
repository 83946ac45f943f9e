import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { z } from "zod";
import {
  AHEAD,
  EXIT,
  fillOf,
  flattenWish,
  riskSession,
  sent,
  World,
} from "#services/risk-manager/risk-manager.fixture.ts";
import { createRoutes } from "#services/risk-manager/routes.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { orderIdOf } from "#shared/orders/order-id.ts";
import type { TrackedOrder } from "#shared/orders/order-state.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";

let world: World;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  await world.start();
});
afterEach(() => {
  AHEAD.ms = 0;
});
afterAll(async () => {
  await world.close();
});

const pageOfDecisions = z.object({
  items: z.array(z.object({ orderNumber: z.number(), orderIndex: z.number() })),
  nextCursor: z.string().nullable(),
});

const WORDS = "-1013: Filter failure: LOT_SIZE";
/** Puts an instrument with these rules into the place of the session's, once it holds something. */
async function ruledBy(session: Session, rules: Partial<Instrument>): Promise<void> {
  const instrument = { ...spx, id: session.instrumentIds[0] as string, ...rules };
  await world.database.db.sql`
    update reference.instruments set instrument = ${world.database.db.sql.json(instrument as never)}
    where id = ${instrument.id}`;
}

/** A session of an instrument of its own that has bought ten at 100. */
async function holding(rules: Partial<Instrument> = {}): Promise<Session> {
  const instrumentId = `T${crypto.randomUUID().slice(0, 8)}/USD.paper`;
  await putInstrument(world.database.db.sql, { ...spx, id: instrumentId });
  const session = await putSession(world.database.db.sql, riskSession({ instrumentIds: [instrumentId] }));
  await world.signal(signalOf(session));
  await world.outcome(session);
  const [entry] = await world.placed(session.id);
  await fill(entry as OrderRequest);
  await ruledBy(session, rules);
  return session;
}

async function exit(session: Session, number: number): Promise<Signal> {
  const signal = signalOf(session, { number, intent: EXIT });
  await world.signal(signal);
  await world.outcome(session);
  return signal;
}

const exits = async ({ id }: Session) => (await world.placed(id)).filter(({ reduceOnly }) => reduceOnly);
const lastExit = async (session: Session) => (await exits(session)).at(-1) as OrderRequest;
const isOver = (order: OrderRequest) => until(async () => (await world.reserved(order.id)) === null);

/** The order fills whole. */
async function fill(order: OrderRequest): Promise<void> {
  await world.tell(sent(order), fillOf(order, order.id, order.size));
  await isOver(order);
}

async function refuse(order: OrderRequest, reason = WORDS): Promise<TrackedOrder> {
  const tracked = await world.tell(sent(order), { kind: "state", to: "REJECTED", reason });
  await isOver(order);
  return tracked;
}

const alerts = ({ id }: Session) => world.told("alerts", `session:${id}`);
const lastDecision = async ({ id }: Session) => (await world.decisions(id)).at(-1);
const stop = (session: Session) =>
  putSession(world.database.db.sql, { ...session, state: "STOPPING", version: session.version + 1 });

describe("an exit that is larger than the venue's largest order", () => {
  test("is one order under max notional 520 with applyMaxToMarket: false", async () => {
    const session = await holding({ maxNotional: "520", maxNotionalAppliesToMarket: false });
    await exit(session, 2);
    expect((await exits(session)).map(({ size }) => size)).toEqual(["10"]);
  });

  test("becomes several under MARKET_LOT_SIZE max 3, with dense numbers and ids of signal and place, once", async () => {
    const session = await holding({ marketMaxSize: "3" });
    const signal = signalOf(session, { number: 2, intent: EXIT });
    await world.signal(signal, 3);
    expect(await world.outcome(session)).toEqual({ decision: "already made" });
    const orders = await exits(session);
    expect(orders.map(({ size, signalOrders }) => [size, signalOrders])).toEqual(Array(4).fill(["2.5", 4]));
    expect(orders.map(({ number, clientOrderId }) => [number, clientOrderId])).toEqual(
      [2, 3, 4, 5].map((number) => [number, `${session.code}-${number}`]),
    );
    expect(orders.map(({ id }) => id)).toEqual([0, 1, 2, 3].map((index) => orderIdOf(signal.id, index)));
    expect(orderIdOf(signal.id, 0)).toBe(orderIdOf(signal.id));
    expect(await world.told("signals", session.id)).toMatchObject([
      { type: "signal.approved" },
      { type: "signal.approved", data: { signalId: signal.id, orderIds: orders.map(({ id }) => id) } },
    ]);
    const rows = (await world.decisions(session.id)).filter(({ signal_id: id }) => id === signal.id);
    expect(rows.map(({ order_id: id, size }) => [id, size])).toEqual(orders.map(({ id, size }) => [id, size]));
    for (const order of orders) expect(await world.reserved(order.id)).toEqual({ quote: "0", base: "2.5" });
  });

  test("is under way until the last of its orders has ended, and closes all", async () => {
    const session = await holding({ marketMaxSize: "6" });
    await exit(session, 2);
    const [one, two] = (await exits(session)) as [OrderRequest, OrderRequest];
    const next = signalOf(session, { number: 3, intent: EXIT });
    await world.signal(next);
    await fill(one);
    await until(async () => {
      const [task] = await world.database.db.sql<{ error: string | null }[]>`
        select error from queue.tasks where lane = ${session.id} and state = 'open'`;
      return task?.error?.includes("does not have all fills") === true;
    });
    await fill(two);
    await world.outcome(session);
    expect(await lastDecision(session)).toMatchObject({ signal_id: next.id, code: "NO_POSITION" });
  });

  test("is listed order by order, also where a page ends between them", async () => {
    const session = await holding({ marketMaxSize: "3" });
    await exit(session, 2);
    const routes = createRoutes(world.database.db, pino({ level: "silent" }));
    const listed = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const at: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const url = `http://localhost/api/risk-manager/decisions?sessionId=${session.id}&limit=2${at}`;
      const page = pageOfDecisions.parse(await (await routes.handle(new Request(url))).json());
      listed.push(...page.items);
      cursor = page.nextCursor;
    }
    expect(listed.map(({ orderNumber, orderIndex }) => [orderNumber, orderIndex])).toEqual([
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 2],
      [5, 3],
    ]);
  });

  test("flattens a session that stops, the rest beyond MAX_NUM_ORDERS with the next request", async () => {
    const session = await stop(await holding({ maxSize: "3", maxOpenOrders: 3 }));
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toMatchObject({ decision: "approved", orders: 3, size: "7.5" });
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toEqual({ decision: "orders are under way", orders: 3 });
    for (const order of await exits(session)) await fill(order);
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toMatchObject({ decision: "approved", orders: 1, size: "2.5" });
    await fill(await lastExit(session));
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toEqual({ decision: "flat already" });
    expect((await exits(session)).map(({ number }) => number)).toEqual([2, 3, 4, 5]);
  });
});

describe("a session that stops while nobody may trade its instrument", () => {
  test.each([
    ["HALTED", "has halted"],
    ["GONE", "does not list"],
  ] as const)("since that is %s, waits and says so, and is flattened once it trades again", async (status, words) => {
    const session = await stop(await holding({ status }));
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toEqual({ decision: "not trading" });
    expect(await world.told("session-reports", session.id)).toMatchObject([
      { type: "report.waiting", data: { until: "stopped", reason: expect.stringContaining(words) } },
    ]);
    await ruledBy(session, {});
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toMatchObject({ decision: "approved", size: "10" });
  });
});

describe("an exit that the venue refuses", () => {
  test("is an alert once, with the venue's words; the next ones pause ever longer; one that is accepted ends it", async () => {
    const session = await holding();
    await exit(session, 2);
    await refuse(await lastExit(session));
    await exit(session, 3);
    expect(await lastDecision(session)).toMatchObject({ code: "EXIT_PAUSED" });
    AHEAD.ms = 1_001;
    await exit(session, 4);
    await refuse(await lastExit(session), "-1013: again");
    AHEAD.ms = 2_500;
    await exit(session, 5);
    expect(await lastDecision(session)).toMatchObject({ code: "EXIT_PAUSED" });
    AHEAD.ms = 5_000;
    await exit(session, 6);
    expect(await exits(session)).toHaveLength(3);
    const scope = `session:${session.id}`;
    const raised = { scope, code: "EXIT_REFUSED", severity: "critical", text: expect.stringContaining(WORDS) };
    expect(await alerts(session)).toMatchObject([{ type: "alert.raised", data: raised }]);
    await fill(await lastExit(session));
    expect(await alerts(session)).toMatchObject([
      { type: "alert.raised" },
      { type: "alert.cleared", data: { scope, code: "EXIT_REFUSED" } },
    ]);
  });

  test("is accepted already while it rests, so that the alert does not outlive it", async () => {
    const session = await holding();
    await exit(session, 2);
    await refuse(await lastExit(session));
    AHEAD.ms = 1_001;
    await exit(session, 3);
    await world.tell(sent(await lastExit(session)), { kind: "state", to: "ACCEPTED", venueOrderId: "9" });
    await until(async () => (await alerts(session)).at(-1)?.type === "alert.cleared");
  });

  test("keeps a session STOPPING with the venue's words, and is made again after pauses that survive a restart", async () => {
    const session = await stop(await holding());
    await world.flatten(flattenWish(session));
    await world.outcome(session);
    await refuse(await lastExit(session));
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toMatchObject({ decision: "paused" });
    const told = await world.told("session-reports", session.id);
    const reason = `The venue has refused an exit: ${WORDS}. It is tried again, with growing pauses.`;
    expect(told).toMatchObject([{ type: "report.waiting", data: { until: "stopped", reason } }]);
    // It says so by now: nothing is told again, and the pause goes on though the session is another version.
    const saying = await putSession(world.database.db.sql, { ...session, stateReason: reason, version: 9 });
    await world.flatten(flattenWish(saying));
    expect(await world.outcome(session)).toMatchObject({ decision: "paused" });
    expect(await world.told("session-reports", session.id)).toHaveLength(1);
    await world.start();
    AHEAD.ms = 1_001;
    await world.flatten(flattenWish(saying));
    expect(await world.outcome(session)).toMatchObject({ decision: "approved", order: 3, size: "10" });
    await refuse(await lastExit(session));
    AHEAD.ms = 2_500;
    await world.flatten(flattenWish(saying));
    expect(await world.outcome(session)).toMatchObject({ decision: "paused" });
    AHEAD.ms = 5_000;
    await world.flatten(flattenWish(saying));
    expect(await world.outcome(session)).toMatchObject({ decision: "approved", order: 4 });
    await fill(await lastExit(session));
    expect((await alerts(session)).map(({ type }) => type)).toEqual(["alert.raised", "alert.cleared"]);
    expect(new Set((await exits(session)).map(({ id }) => id)).size).toBe(3);
  });

  test.each(["STOPPED", "FAULTED"] as const)(
    "is no alert any more once its session is %s, and a later refusal raises none",
    async (state) => {
      const session = await holding();
      await exit(session, 2);
      await refuse(await lastExit(session));
      AHEAD.ms = 1_001;
      await exit(session, 3);
      const open = await lastExit(session);
      await world.change(session, { state });
      await until(async () => (await alerts(session)).at(-1)?.type === "alert.cleared");
      await refuse(open);
      expect(await alerts(session)).toHaveLength(2);
      await world.change(session, { state: "RUNNING", run: session.run + 1 });
      await world.signal(signalOf({ ...session, run: session.run + 1 }, { number: 4, intent: EXIT }));
      await world.outcome(session);
      expect(await lastDecision(session)).toMatchObject({ kind: "approved" });
    },
  );
});

describe("a session whose book lacks an execution", () => {
  /** What order-position-tracker writes of it. */
  async function lack(session: Session): Promise<() => Promise<unknown>> {
    const { sql } = world.database.db;
    const tradeId = crypto.randomUUID();
    await sql`
      insert into order_position_tracker.unbooked (account_id, instrument_id, trade_id, listed, raw, reason, seen_at_ms,
        session_id)
      values (${session.accountId}, ${session.instrumentIds[0] as string}, ${tradeId}, true, '{}', 'it is refused', 5,
        ${session.id})`;
    return () => sql`update order_position_tracker.unbooked set discard_reason = 'seen' where trade_id = ${tradeId}`;
  }

  test("gets neither entries nor exits decided until that is over", async () => {
    const session = await holding();
    const mend = await lack(session);
    await world.signal(signalOf(session, { number: 2 }));
    await world.outcome(session);
    expect(await lastDecision(session)).toMatchObject({ kind: "denied", code: "BOOK_INCOMPLETE" });
    const signal = await exit(session, 3);
    expect(await lastDecision(session)).toMatchObject({ signal_id: signal.id, code: "BOOK_INCOMPLETE" });
    expect(await exits(session)).toEqual([]);
    await mend();
    await exit(session, 4);
    expect(await exits(session)).toHaveLength(1);
  });

  test("gets none either while it says so itself: its book may be behind what was booked after all", async () => {
    const session = await holding();
    const degraded = [{ code: "BOOK_INCOMPLETE", sinceMs: 1, text: "An execution could not be booked." } as const];
    const riskPolicy = { ...session.riskPolicy, degradedEntries: "allow" } as const;
    await putSession(world.database.db.sql, { ...session, degraded, riskPolicy, version: 2 });
    await exit(session, 2);
    expect(await lastDecision(session)).toMatchObject({ kind: "denied", code: "BOOK_INCOMPLETE" });
  });

  test("has its signal wait while an event of its orders is parked or dead here", async () => {
    const session = await holding();
    const { sql } = world.database.db;
    await sql`
      insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, raw, next_try_at)
      values (${Bun.randomUUIDv7()}, 'risk-manager', 'orders', ${session.partition}, 999999, ${session.id}, 'dead', 1, ''::bytea, now())`;
    await world.signal(signalOf(session, { number: 2, intent: EXIT }));
    await until(async () => {
      const [task] = await sql<{ error: string | null }[]>`
        select error from queue.tasks where lane = ${session.id} and state = 'open'`;
      return task?.error?.includes("does not have all fills") === true;
    });
    await sql`delete from bus.parked where key = ${session.id}`;
    await world.outcome(session);
    expect(await exits(session)).toHaveLength(1);
  });

  test("that stops with flatten waits for it, and says so", async () => {
    const session = await stop(await holding());
    const mend = await lack(session);
    await world.flatten(flattenWish(session));
    expect(await world.outcome(session)).toEqual({ decision: "book incomplete" });
    expect((await world.told("session-reports", session.id)).at(-1)).toMatchObject({ type: "report.waiting" });
    await mend();
    await world.flatten(flattenWish(session));
    await world.outcome(session);
    expect(await exits(session)).toHaveLength(1);
  });
});
