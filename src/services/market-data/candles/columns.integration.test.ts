import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AnyElysia } from "elysia";
import { pino } from "pino";
import { columnTextsSchema, createSharedColumns, fillColumns } from "#shared/candles/column-text.ts";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { createColumnRoutes } from "./column-routes.ts";

const INSTRUMENT = "SPX/USD.paper";
let database: TestDatabase;
let routes: AnyElysia;

const candle = (n: number, open: string) => ({
  n,
  openAtMs: n * 60_000,
  closeAtMs: (n + 1) * 60_000,
  open,
  high: "98765432.12345678",
  low: "0.00000001",
  close: "1.5",
  volume: "0.1234567890123456789",
});
/** Prices of one to fifteen digits, and of more where float64 keeps them. */
const CANDLES = ["1", "1.000001", "9999999.12345678", "12345678.12345678", "0.1"].map((open, index) =>
  candle(index + 1, open),
);

async function put(candles: readonly ReturnType<typeof candle>[]): Promise<void> {
  const { sql } = database.db;
  await sql`
    insert into market_data.candles
    select ${INSTRUMENT}, '1m', n, "openAtMs", "closeAtMs", open, high, low, close, volume, 0
    from jsonb_to_recordset(${sql.json(candles)}) as given(n int, "openAtMs" bigint, "closeAtMs" bigint, open numeric,
      high numeric, low numeric, close numeric, volume numeric)`;
}

beforeAll(async () => {
  database = await createTestDatabase();
  routes = createColumnRoutes({ db: database.db, log: pino({ level: "silent" }) });
  await database.db.sql`
    insert into market_data.series (instrument_id, time_frame, source, forming, history, partition, created_at_ms)
    values (${INSTRUMENT}, '1m', 'bars', false, 1, 0, 0)`;
  await put(CANDLES);
});
afterAll(() => database.drop());

interface Refusal {
  detail?: string;
  errors?: { field: string }[];
}

async function ask(fromN: number, toN: number) {
  const query = new URLSearchParams({ instrumentId: INSTRUMENT, timeFrame: "1m", fromN: `${fromN}`, toN: `${toN}` });
  const answer = await routes.handle(
    new Request(`http://localhost/api/market-data/candles/columns?${query.toString()}`),
  );
  return { status: answer.status, body: (await answer.json()) as Refusal };
}

describe("candles as columns", () => {
  test("are those of the candles to the last bit", async () => {
    const { status, body } = await ask(2, 5);
    expect(status).toBe(200);
    const texts = columnTextsSchema.parse(body);
    const read = createSharedColumns(texts.count);
    fillColumns(read, texts, 0);
    expect({ ...read }).toEqual({ ...columnsOf(CANDLES.slice(1)) });
    expect(columnTextsSchema.parse((await ask(6, 9)).body)).toMatchObject({ count: 0, open: "" });
  });

  test("are refused where float64 would change a price", async () => {
    await put([candle(6, "1234567890.123456789")]);
    expect((await ask(1, 5)).status).toBe(200);
    const refused = await ask(1, 6);
    expect([refused.status, refused.body.detail]).toEqual([
      422,
      "A price of candles 1 to 6 has more digits than float64 keeps; it would be changed silently.",
    ]);
  });

  test("are refused where they are more than 25,000 or none", async () => {
    expect((await ask(1_001, 26_000)).status).toBe(200);
    for (const toN of [1_000, 26_001]) {
      const { status, body } = await ask(1_001, toN);
      expect([status, body.errors?.map(({ field }) => field)]).toEqual([422, ["query.toN"]]);
    }
  });
});
