import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Elysia } from "elysia";
import { pino } from "pino";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { orderRequestOf, sessionOf } from "#shared/domain/domain.fixture.ts";
import { readPages } from "#shared/http/pages.fixture.ts";
import type { TrackerContext } from "./context.ts";
import { createRoutes } from "./routes.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

function routes() {
  const deps = { db: database.db, log: pino({ level: "silent" }), exchanges: { accounts: [] } };
  return new Elysia().use(createRoutes({ deps } as unknown as TrackerContext));
}

const session = sessionOf();
let number = 0;

async function putOrder(createdAtMs: number): Promise<string> {
  number += 1;
  const request = orderRequestOf(session, number);
  const order = {
    ...request,
    state: "FILLED",
    stateReason: null,
    venueOrderId: null,
    filledSize: "0",
    averagePrice: null,
    fees: {},
    filledAtMs: null,
    attempt: 0,
    signedAtMs: null,
    recvWindowMs: null,
    submittedAtMs: null,
    sentAtMs: null,
    version: 1,
  };
  await database.db.sql`
    insert into order_position_tracker.orders (id, client_order_id, session_id, account_id, instrument_id, number, state,
      is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    values (${order.id}, ${order.clientOrderId}, ${session.id}, 'demo', 'SPX/USD.paper', ${number}, 'FILLED', false, 'BUY', 2,
      0, 0, 1, ${database.db.sql.json(order as never)}, ${createdAtMs}, 1)`;
  return order.id;
}

/** As two accounts have it that are told the same trade id in the same millisecond. */
async function putFill(atMs: number, tradeId: string, accountId: string): Promise<string> {
  await database.db.sql`
    insert into order_position_tracker.fills (account_id, instrument_id, trade_id, order_id, session_id, side, price, size, fee,
      fee_asset, maker, at_ms, seen_at_ms)
    values (${accountId}, 'SPX/USD.paper', ${tradeId}, 'o', ${session.id}, 'BUY', 100, 1, 0, 'USD', false, ${atMs}, 1)`;
  return `${accountId}/${tradeId}`;
}

const BASE = "/api/order-position-tracker";

describe.each([
  ["", "all"],
  [`&sessionId=${session.id}`, "of a session"],
])("lists (%s) %s", (which) => {
  test("orders are read from either end, each once though more are made meanwhile", async () => {
    const before = (await readPages(routes(), `${BASE}/orders?${which}`)).map(({ id }) => id);
    for (const atMs of [5, 5, 5, 6, 7]) before.push(await putOrder(1_000 * number + atMs));
    const added: unknown[] = [];
    const down = await readPages(routes(), `${BASE}/orders?order=desc${which}`, async () => {
      added.push(await putOrder(1_000 * number + 9));
    });
    expect(down.map(({ id }) => id)).toEqual(before.toReversed());
    const known = [...before, ...added];
    const up = await readPages(routes(), `${BASE}/orders?order=asc${which}`, async () => {
      known.push(await putOrder(1_000 * number + 9));
    });
    expect(up.map(({ id }) => id)).toEqual(known);
  });

  test("fills are read from either end, each once, also of accounts with the same trade id at the same time", async () => {
    const key = ({ accountId, tradeId }: Record<string, unknown>) => `${String(accountId)}/${String(tradeId)}`;
    const before = (await readPages(routes(), `${BASE}/fills?${which}`)).map(key);
    const atMs = 1_000 * before.length + 1;
    for (const account of ["a", "b", "c"]) before.push(await putFill(atMs, `t${atMs}`, account));
    before.push(await putFill(atMs + 1, `t${atMs + 1}`, "a"));
    let added = 1;
    const add = () => putFill(atMs + 1 + added++, `t${atMs + added}`, "b");
    const known = [...before];
    const down = await readPages(routes(), `${BASE}/fills?order=desc${which}`, async () => known.push(await add()));
    expect(down.map(key)).toEqual(before.toReversed());
    const up = await readPages(routes(), `${BASE}/fills?order=asc${which}`, async () => known.push(await add()));
    expect(up.map(key)).toEqual(known);
  });
});
