import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createPool } from "#shared/db/postgres.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { engineSnapshot, restlessness, type VenueState } from "./at-rest.ts";

let database: TestDatabase;
let sql: ReturnType<typeof createPool>;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = createPool(database.url, { maxConnections: 1, applicationName: "test", idleTimeoutMs: 0 });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const SESSION = { id: "s", accountId: "a" };
const AT_REST: VenueState = { step: 1, bar: 0, halted: true, fillCount: 0, terminalCount: 0, openOrders: [] };

async function putOrder(id: string, state: string, isOpen: boolean, venueOrderId: string | null): Promise<void> {
  await sql`
    insert into order_position_tracker.orders (id, client_order_id, venue_order_id, session_id, account_id, instrument_id,
      number, state, is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    values (${id}, ${id}, ${venueOrderId}, ${SESSION.id}, ${SESSION.accountId}, 'i', 1, ${state}, ${isOpen}, 'BUY', 1, 0, 0, 1,
      '{}', 1, 1)`;
}

describe("the engine's snapshot", () => {
  test.each(["parked", "dead"])("an event that is %s keeps the engine from being at rest", async (state) => {
    await sql`
      insert into bus.parked (id, group_name, topic, part, seq, key, state, tries, raw, next_try_at)
      values (gen_random_uuid(), 'g', 'orders', 0, 1, ${SESSION.id}, ${state}, 1, '', now())`;
    const engine = { ...(await engineSnapshot(sql, SESSION)), sessionState: "RUNNING" };
    expect(restlessness(AT_REST, engine)).toBe("1 events are parked or dead");
    await sql`delete from bus.parked`;
    const after = { ...(await engineSnapshot(sql, SESSION)), sessionState: "RUNNING" };
    expect(restlessness(AT_REST, after)).toBeNull();
  });

  test.each([
    ["open", "1 tasks are open"],
    ["dead", "1 tasks are dead"],
    ["done", null],
  ])("a task that is %s: %p", async (state, said) => {
    await sql`
      insert into queue.tasks (id, queue, lane, seq, priority, type, payload, state, created_at_ms)
      values (gen_random_uuid(), 'q', 'l', 1, 5, 't', '{}', ${state}, 1)`;
    const engine = { ...(await engineSnapshot(sql, SESSION)), sessionState: "RUNNING" };
    expect(restlessness(AT_REST, engine)).toBe(said);
    await sql`delete from queue.tasks`;
  });

  test("takes no order that ended unsent for an open one, nor for one that ended at the venue", async () => {
    await putOrder("denied", "DENIED", false, null);
    await putOrder("canceled-unsent", "CANCELED", false, null);
    await putOrder("filled", "FILLED", false, "1");
    await putOrder("resting", "ACCEPTED", true, "2");
    const snapshot = await engineSnapshot(sql, SESSION);
    expect(snapshot).toMatchObject({ terminalOrders: 1, openOrders: ["resting"], orders: 4 });
    const engine = { ...snapshot, sessionState: "RUNNING" };
    expect(restlessness({ ...AT_REST, terminalCount: 1, openOrders: ["resting"] }, engine)).toBeNull();
    expect(restlessness({ ...AT_REST, terminalCount: 2 }, engine)).toBe(
      "an order that ended at the venue is open here",
    );
    expect(restlessness({ ...AT_REST, openOrders: ["denied"] }, engine)).toBe(
      "an order that is open at the venue is not known here",
    );
  });
});
