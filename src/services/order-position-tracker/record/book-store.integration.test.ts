import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { lockBalances } from "#services/order-position-tracker/money/money-store.ts";
import { lockNextStanding, lockStanding } from "#services/order-position-tracker/orders/standing-store.ts";
import { watchFaults } from "#services/order-position-tracker/session/fault-watch.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import { putAccount, putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { orderRequestOf, sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { insertTasks } from "#shared/queue/lane-rows.ts";
import { beganAnew, lockBooks, type SaidFill, writeBooks } from "./book-store.ts";

let database: TestDatabase;
let session: Session;
let order: Order;

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => {
  await database.drop();
});
beforeEach(async () => {
  const accountId = crypto.randomUUID();
  session = sessionOf({ id: crypto.randomUUID(), code: crypto.randomUUID().slice(0, 8), accountId, state: "RUNNING" });
  order = newOrder(orderRequestOf(session, 1));
  await database.db.sql`delete from reference.risk_states`;
  await database.db.transaction(async (tx) => {
    await putAccount(tx.sql, accountId, "binance");
    await putSession(tx.sql, session);
    await writeBooks(tx, 1, { newOrders: [order], entries: [entryOf("capital", "1000")] });
  });
});

const inTransaction = <T>(body: (tx: Tx) => Promise<T>) => database.db.transaction(body);

function entryOf(reference: string, amount: string, more: { asset?: string; kind?: "capital" | "trade" | "fee" } = {}) {
  const { id: sessionId, accountId } = session;
  const entry = { asset: "USD", kind: "capital", reference, amount: decimal(amount), atMs: 1 } as const;
  return { sessionId, accountId, ...entry, ...more };
}

function fillOf(tradeId: string): Fill {
  const { id: orderId, sessionId, accountId, instrumentId, side } = order;
  const amounts = { price: "100.10", size: "1", fee: "0.1" };
  return {
    tradeId,
    orderId,
    sessionId,
    accountId,
    instrumentId,
    side,
    ...amounts,
    feeAsset: "USD",
    maker: false,
    atMs: 1,
  };
}

function positionOf(size: string) {
  const { id: sessionId, accountId, instrumentIds } = session;
  const amounts = {
    size,
    averageEntry: "100.10",
    realizedProfit: "-0.000000000000000000000000000001",
    fees: { USD: "0.1" },
  };
  return { sessionId, accountId, instrumentId: instrumentIds[0] ?? "", ...amounts, updatedAtMs: 1 };
}

const lock = (tx: Tx, fills: readonly SaidFill[] = []) => {
  const { accountId, clientOrderId } = order;
  return lockBooks(tx, { accountId, clientOrderIds: [clientOrderId], instrumentIds: [], venueOrderIds: [] }, fills);
};

/** Whether a statement with this in it waits for a lock. */
async function isWaiting(text: string): Promise<boolean> {
  const rows = await database.db.sql`
    select 1 from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like ${`%${text}%`}`;
  return rows.length > 0;
}

/** Runs `other` while `body` holds what it needs; gives what it came to. */
async function behind<T>(
  what: string,
  { body, other }: { body: (tx: Tx) => PromiseLike<unknown>; other: (tx: Tx) => Promise<T> },
): Promise<T> {
  let waiting: Promise<T> | undefined;
  await inTransaction(async (tx) => {
    await body(tx);
    waiting = inTransaction(other);
    await until(() => isWaiting(what));
  });
  if (waiting === undefined) throw new Error("It never ran.");
  return waiting;
}

async function balances(): Promise<Record<string, string>> {
  const rows = await database.db.sql<{ asset: string; amount: string }[]>`
    select asset, amount from order_position_tracker.balances where session_id = ${session.id} order by asset`;
  return Object.fromEntries(rows.map(({ asset, amount }) => [asset, amount]));
}

describe("books", () => {
  test("are read behind the order's lock: an execution that was booked meanwhile is in them", async () => {
    const books = await behind("lock_books", {
      body: async (tx) => {
        await tx.sql`select 1 from order_position_tracker.orders where id = ${order.id} for update`;
        const filled = { ...order, state: "FILLED", filledSize: "1", version: 2 } as const;
        await writeBooks(tx, 2, {
          orders: [{ order: filled, filledQuote: "100.10" }],
          fills: [fillOf("5")],
          positions: [positionOf("1")],
        });
      },
      other: (tx) => lock(tx, [{ ...fillOf("5"), price: "100.2" }]),
    });
    const [tracked] = books.orders;
    expect(tracked?.order).toMatchObject({ state: "FILLED", filledSize: "1" });
    expect([tracked?.filledQuote, [...(tracked?.tradeIds ?? [])]]).toEqual(["100.10", ["5"]]);
    const position = books.position(session.id, order.instrumentId);
    expect(position.realizedProfit.toFixed()).toBe("-0.000000000000000000000000000001");
    expect(books.anew).toBe(order.instrumentId);
  });

  test("are read behind the lock of the session's money: so are its position and its alert", async () => {
    const books = await behind("lock_books", {
      body: async (tx) => {
        await lockBalances(tx, [session.id]);
        await writeBooks(tx, 2, { positions: [positionOf("3")] });
        await tx.sql`
          insert into alerts.open values (${`session:${session.id}`}, 'FAULTED_WITH_POSITION', 'critical', 'x', '{}', 1)`;
      },
      other: (tx) => lock(tx),
    });
    expect(books.position(session.id, order.instrumentId).size.toFixed()).toBe("3");
    expect([...books.faulted]).toEqual([session.id]);
  });

  test("that are closed while a session's fault waits to be told lead to no alert", async () => {
    const context = {
      deps: { bus: { publish: () => undefined }, clock: { nowMs: () => 1 } },
    } as unknown as TrackerContext;
    const faulted = { ...session, state: "FAULTED" } as const;
    const tell = (tx: Tx) => watchFaults(tx, context, [faulted]);
    const alerts = async () =>
      (await database.db.sql`select from alerts.open where scope = ${`session:${session.id}`}`).count;
    await inTransaction((tx) => writeBooks(tx, 2, { positions: [positionOf("3")] }));
    await behind("balances", {
      body: async (tx) => {
        await lock(tx);
        await writeBooks(tx, 3, { positions: [positionOf("0")] });
      },
      other: tell,
    });
    expect(await alerts()).toBe(0);
    await inTransaction((tx) => writeBooks(tx, 4, { positions: [positionOf("3")] }));
    await inTransaction(tell);
    expect(await alerts()).toBe(1);
  });

  test("are not those of an order whose id at the venue has become that of a closed era meanwhile", async () => {
    const { accountId, instrumentId } = order;
    await inTransaction((tx) =>
      writeBooks(tx, 2, { orders: [{ order: { ...order, venueOrderId: "7" }, filledQuote: null }] }),
    );
    const books = await behind("lock_books", {
      body: ({ sql }) => sql`update order_position_tracker.orders set venue_order_id = 'era0:7' where id = ${order.id}`,
      other: (tx) =>
        lockBooks(tx, { accountId, clientOrderIds: [], instrumentIds: [instrumentId], venueOrderIds: ["7"] }, []),
    });
    expect(books.orders).toEqual([]);
  });

  test("are those of the orders with the venue's ids within the instruments too, and of no other", async () => {
    const { accountId, instrumentId } = order;
    await inTransaction((tx) =>
      writeBooks(tx, 2, { orders: [{ order: { ...order, venueOrderId: "7" }, filledQuote: null }] }),
    );
    const keys = { accountId, clientOrderIds: [], instrumentIds: [instrumentId], venueOrderIds: ["7"] };
    const found = async (more: object) =>
      (await inTransaction((tx) => lockBooks(tx, { ...keys, ...more }, []))).orders.length;
    expect(await found({})).toBe(1);
    expect(await found({ instrumentIds: ["ETH/USDT.binance"] })).toBe(0);
    expect(await found({ accountId: "another" })).toBe(0);
    expect((await inTransaction((tx) => lock(tx))).faulted.size).toBe(0);
  });
});

describe("ids that have begun anew", () => {
  const said = (more: Partial<SaidFill> = {}): SaidFill => ({ ...fillOf("5"), atMs: 20_001, ...more });
  const anew = (fill: SaidFill) => beganAnew(database.db, session.accountId, [said({ tradeId: "900" }), fill]);

  test("show in another execution under a booked id, and in an older id of a newer time than the list was read to", async () => {
    await inTransaction((tx) => writeBooks(tx, 1, { fills: [{ ...fillOf("5"), atMs: 20_000 }] }));
    await database.db.sql`
      insert into order_position_tracker.fill_cursors values (${session.accountId}, ${order.instrumentId}, '10', 20000, true)`;
    expect(await anew(said({ price: "100.100", atMs: 30_000 }))).toBeNull();
    expect(await anew(said({ price: "100.2" }))).toBe(order.instrumentId);
    expect(await anew(said({ size: "1.1" }))).toBe(order.instrumentId);
    expect(await anew(said({ atMs: 30_001 }))).toBe(order.instrumentId);
    expect(await anew(said({ tradeId: "9", atMs: 30_000 }))).toBeNull();
    expect(await anew(said({ tradeId: "9", atMs: 30_001 }))).toBe(order.instrumentId);
    expect(await anew(said({ tradeId: "11", atMs: 30_001 }))).toBeNull();
    expect(await anew(said({ tradeId: "a9", atMs: 30_001 }))).toBeNull();
  });
});

describe("what is written at once", () => {
  test("moves each balance by the exact sum of its entries, and by none that is there already", async () => {
    const entries = [
      entryOf("t1", "-0.000000000000000000000000000001", { kind: "trade" }),
      entryOf("t1", "-100.1", { kind: "fee" }),
      entryOf("t1", "2.5", { kind: "trade", asset: "BTC" }),
      entryOf("capital", "1000"),
    ];
    await inTransaction((tx) =>
      writeBooks(tx, 1, { entries: [...entries, entryOf("t2", "0.1", { kind: "trade" }), ...entries] }),
    );
    await inTransaction((tx) => writeBooks(tx, 1, { entries }));
    expect(await balances()).toEqual({ BTC: "2.5", USD: "899.999999999999999999999999999999" });
    const [row] = await database.db.sql`
      select count(*)::int as count from order_position_tracker.ledger where session_id = ${session.id}`;
    expect(row?.["count"]).toBe(5);
  });

  test("keeps what it does not name, and forgets what was kept of an execution as unbookable", async () => {
    const { accountId, instrumentId } = order;
    for (const tradeId of ["5", "6"])
      await database.db.sql`
        insert into order_position_tracker.unbooked values (${accountId}, ${instrumentId}, ${tradeId}, '7', true, '{}', 'x', 1)`;
    const changed = { ...order, state: "SUBMITTED", version: 2 } as const;
    await inTransaction(async (tx) => {
      await writeBooks(tx, 2, { orders: [{ order: changed, filledQuote: "12.50" }] });
      await writeBooks(tx, 3, { orders: [{ order: changed, filledQuote: null }], fills: [fillOf("5")] });
    });
    const rows = await database.db.sql`
      select state, is_open, filled_quote, version, data, created_at_ms, updated_at_ms
      from order_position_tracker.orders where id = ${order.id}`;
    expect([...rows]).toEqual([
      {
        state: "SUBMITTED",
        is_open: true,
        filled_quote: "12.50",
        version: 2,
        data: changed,
        created_at_ms: 1,
        updated_at_ms: 3,
      },
    ]);
    const kept = await database.db.sql`
      select trade_id from order_position_tracker.unbooked where account_id = ${accountId}`;
    expect([...kept]).toEqual([{ trade_id: "6" }]);
  });

  test("is refused whole where an order is there already, or a trade is another order's", async () => {
    const other = { ...order, id: crypto.randomUUID() };
    for (const batch of [{ newOrders: [order] }, { newOrders: [other] }, { fills: [fillOf("5"), fillOf("5")] }])
      expect(
        await failureOf(inTransaction((tx) => writeBooks(tx, 1, { ...batch, entries: [entryOf("more", "1")] }))),
      ).toContain("duplicate key");
    expect(await balances()).toEqual({ USD: "1000" });
  });
});

const exchanges = {
  orderBanAddresses: (id: string) => [id],
  get accounts() {
    return [{ id: session.accountId }];
  },
};
const context = { deps: { exchanges, clock: { nowMs: () => 50 } }, instruments: { learn: () => undefined } };

describe("an intent", () => {
  const standing = (tx: Tx) => lockStanding(tx, context as unknown as TrackerContext, order);

  test("sees what it has waited for: a pause, a halt, a gap in the book, a ban", async () => {
    const { id, accountId } = session;
    const found = await behind("lock_standing", {
      body: async ({ sql }) => {
        await sql`update reference.accounts set trading_state = 'HALTED' where id = ${accountId}`;
        await sql`update reference.sessions set state = 'PAUSED' where id = ${id}`;
        await sql`insert into order_position_tracker.unbooked values (${accountId}, 'x', '1', null, true, '{}', 'why', 1, ${id})`;
        await sql`insert into venues.bans values (${accountId}, 60)`;
        await sql`insert into reference.risk_states values ('all', 3, null, 'killed by me', 40)`;
      },
      other: standing,
    });
    const risk = { scope: "all", level: 3, cause: "killed by me", sinceMs: 40 };
    const paused = { state: "PAUSED", gap: { trade_id: "1" } };
    expect(found).toMatchObject({ session: paused, account: "HALTED", risk, toldMs: 60 });
    expect(found.order).toEqual(order);
  });

  test("is locked in the same way with its lane's lease, for the order that is to be placed", async () => {
    const { id: orderId, sessionId } = order;
    await database.db.sql`insert into venues.bans values (${session.accountId}, 60)`;
    const next = (type: string, payload: Parameters<Sql["json"]>[0]) =>
      inTransaction(async (tx) => {
        const queue = "order-position-tracker";
        const row = { id: crypto.randomUUID(), queue, lane: orderId, type, payload, priority: 5, traceparent: null };
        await insertTasks(tx, { tasks: [row], graceMs: 0 });
        const found = await lockNextStanding(tx, context as unknown as TrackerContext, orderId);
        await tx.sql`delete from queue.tasks where id = ${row.id}`;
        return found;
      });
    const found = await next("place-order", { order });
    expect(found).toEqual({ orderId, standing: await inTransaction(standing) });
    expect(found?.standing).toMatchObject({ order, toldMs: 60 });
    expect(await next("cancel-order", { orderId, sessionId, reason: "told to" })).toBeNull();
    expect(await next("place-order", [])).toBeNull();
    expect(await next("place-order", { order: {} })).toMatchObject({ orderId: null, standing: { order: null } });
  });

  test.each<[what: string, change: (tx: Tx) => PromiseLike<unknown>]>([
    ["session", ({ sql }) => sql`update reference.sessions set state = 'PAUSED' where id = ${session.id}`],
    [
      "account",
      ({ sql }) => sql`update reference.accounts set trading_state = 'HALTED' where id = ${session.accountId}`,
    ],
    ["risk state", ({ sql }) => sql`/* update */ lock table reference.risk_states in exclusive mode`],
    ["order", ({ sql }) => sql`update order_position_tracker.orders set version = 9 where id = ${order.id}`],
  ])("keeps its %s as it is until it is committed", async (_what, change) => {
    const order = await behind("update", { body: standing, other: async (tx) => void (await change(tx)) });
    expect(order).toBeUndefined();
  });

  test("of a session and an account that are gone, without an order and a ban", async () => {
    await database.db.sql`delete from reference.sessions where id = ${session.id}`;
    await database.db.sql`delete from reference.accounts where id = ${session.accountId}`;
    await database.db.sql`delete from order_position_tracker.orders where id = ${order.id}`;
    await database.db.sql`insert into venues.bans values (${session.accountId}, 50)`;
    const nothing = { account: null, risk: null, order: null, toldMs: null };
    expect(await inTransaction(standing)).toEqual({ session: undefined, ...nothing });
  });
});

describe("an order among many", () => {
  /** How many rows of each table this connection has read, as far as the server has not counted them yet. */
  async function rowsRead({ sql }: Tx): Promise<Record<string, number>> {
    const rows = await sql<{ table: string; rows: number }[]>`
      select relname as table, (seq_tup_read + idx_tup_fetch)::int as rows from pg_stat_xact_user_tables
      where schemaname = 'order_position_tracker'`;
    return Object.fromEntries(rows.map(({ table, rows: read }) => [table, read]));
  }

  test.each([
    ["when there was none", 0],
    ["when the server knew of few", 9],
  ])("is found by its keys, also by plans that were made %s", async (_when, few) => {
    const one = await createTestDatabase({ maxConnections: 1 });
    const { db } = one;
    const ofOrder = async (tx: Tx, of: Order, tradeId: string) => {
      const { accountId, clientOrderId, instrumentId, sessionId } = of;
      await lockStanding(tx, context as unknown as TrackerContext, of);
      await writeBooks(tx, 1, { newOrders: [of] });
      const keys = {
        accountId,
        clientOrderIds: [clientOrderId],
        instrumentIds: [instrumentId],
        venueOrderIds: ["none"],
      };
      const fill = { ...fillOf(tradeId), orderId: of.id, sessionId };
      await lockBooks(tx, keys, [fill]);
      const entry = { ...entryOf(tradeId, "1", { kind: "trade" }), sessionId };
      const position = { ...positionOf("1"), sessionId };
      await writeBooks(tx, 1, {
        orders: [{ order: of, filledQuote: "1" }],
        fills: [fill],
        positions: [position],
        entries: [entry],
      });
    };
    const orders = Array.from({ length: 500 }, (_, index) => {
      return newOrder(orderRequestOf({ ...session, id: crypto.randomUUID(), code: `s-${index}` }, 1));
    });
    for (const of of orders.splice(0, few)) await db.transaction((tx) => ofOrder(tx, of, of.clientOrderId));
    for (const table of few === 0 ? [] : ["orders", "fills", "positions", "balances", "ledger"])
      await db.sql.unsafe(`vacuum analyze order_position_tracker.${table}`);
    for (const [index, of] of orders.entries()) await db.transaction((tx) => ofOrder(tx, of, String(index)));
    const last = newOrder(orderRequestOf(session, 1));
    const read = await db.transaction(async (tx) => {
      const before = await rowsRead(tx);
      await ofOrder(tx, last, "last");
      const after = await rowsRead(tx);
      return Object.entries(after).filter(([table, rows]) => rows - (before[table] ?? 0) > 10);
    });
    expect(read).toEqual([]);
    await one.drop();
  });
});
