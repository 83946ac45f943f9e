import { afterAll, beforeAll, expect, test } from "bun:test";
import { Elysia } from "elysia";
import { pino } from "pino";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { createRoutes } from "#services/order-position-tracker/routes.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import type { ExposedSession } from "#shared/http/clients.ts";
import { createServiceClients, elsewhere } from "#shared/http/create-clients.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(() => database.drop());

const ALL = elsewhere("http://nobody.test");
/** The tracker's routes over the client that others use. */
function tracker() {
  const deps = { db: database.db, log: pino({ level: "silent" }), exchanges: { accounts: [] } };
  const routes = new Elysia().use(createRoutes({ deps } as unknown as TrackerContext));
  const place = {
    baseUrl: () => "http://localhost",
    send: async (request: Request) => routes.handle(request),
  };
  const places = { dataCollect: ALL, marketData: ALL, strategyExecutor: ALL, monitoring: ALL };
  return createServiceClients({ ...places, orderPositionTracker: place }).orderPositionTracker;
}

const degradedBy = (code: Session["degraded"][number]["code"]) => [{ code, sinceMs: 1, text: "It is missing." }];

async function hold(session: Session, size: string, instrumentId = spx.id): Promise<void> {
  await database.db.sql`
    insert into order_position_tracker.positions values (${session.id}, ${instrumentId}, 'demo', ${size}, 100, 0, '{}', 1)`;
}

async function order(session: Session, isOpen: boolean): Promise<void> {
  const id = crypto.randomUUID();
  await database.db.sql`
    insert into order_position_tracker.orders (id, client_order_id, session_id, account_id, instrument_id, number, state,
      is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    values (${id}, ${id}, ${session.id}, 'demo', ${spx.id}, 1, ${isOpen ? "ACCEPTED" : "CANCELED"}, ${isOpen}, 'BUY', 1, 0, 0,
      1, '{}', 1, 1)`;
}

const put = (more: Partial<Session> = {}) =>
  putSession(database.db.sql, sessionOf({ degraded: degradedBy("FEED_STALE"), ...more }));

async function readAll(): Promise<{ pages: number; found: ExposedSession[] }> {
  const client = tracker();
  const found: ExposedSession[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const page: Awaited<ReturnType<typeof client.exposed>> = await client.exposed(cursor);
    found.push(...page.items);
    cursor = page.nextCursor;
    pages += 1;
  } while (cursor !== null);
  return { pages, found };
}

test("sessions that hold something while something is missing are all listed, page after page, and no other is", async () => {
  const { sql } = database.db;
  const none = [
    [await put({ degraded: [] }), "1"],
    [await put({ degraded: degradedBy("MARKET_ENDED") }), "1"],
    [await put({ state: "STOPPED" }), "1"],
    [await put({ name: "dust" }), "0.000000000001"],
    [await put({ name: "nothing" }), "0"],
  ] as const;
  for (const [session, size] of none) await hold(session, size);
  await order(await put({ name: "ended" }), false);
  const resting = await put({ name: "resting" });
  await order(resting, true);
  const both = await put({ name: "both", state: "PAUSED" });
  for (const isOpen of [true, true, false]) await order(both, isOpen);
  await hold(both, "2");
  // Nobody knows what an order could close of it.
  const unreadable = await put({ name: "unreadable" });
  await sql`insert into reference.instruments values ('BAD/USD.paper', 'paper', '{}', 1)`;
  await hold(unreadable, "1", "BAD/USD.paper");
  const damaged = await put({ name: "damaged" });
  await sql`update reference.sessions set session = jsonb_set(session, '{degraded}', '[7, {"code": "FEED_STALE"}, {"code": 8}]')
    where id = ${damaged.id}`;
  await sql`update reference.sessions set session = jsonb_set(session, '{degraded}', '7') where id = ${none[0][0].id}`;
  await hold(damaged, "1");
  for (let number = 0; number < 2_100; number += 1) await hold(await put({ name: "many" }), "1");
  const { pages, found } = await readAll();
  expect(pages).toBe(3);
  const many = found.filter(({ name }) => name === "many");
  expect(new Set(many.map(({ sessionId }) => sessionId)).size).toBe(2_100);
  const rest = found.filter(({ name }) => name !== "many").toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const missing = ["FEED_STALE"];
  expect(rest).toEqual([
    { sessionId: both.id, name: "both", missing, openOrders: 2, positions: 1 },
    { sessionId: damaged.id, name: "damaged", missing, openOrders: 0, positions: 1 },
    { sessionId: resting.id, name: "resting", missing, openOrders: 1, positions: 0 },
    { sessionId: unreadable.id, name: "unreadable", missing, openOrders: 0, positions: 1 },
  ]);
}, 30_000);
