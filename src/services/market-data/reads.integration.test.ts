import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Cache } from "#shared/cache/cache.ts";
import { createRedisCache } from "#shared/cache/redis.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { FakeVenue, MINUTE_MS, type Replica, startReplica } from "./market-data.fixture.ts";

let database: TestDatabase;
let redis: TestRedis;
let venue: FakeVenue;
let replica: Replica;
let cache: Cache;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  venue = new FakeVenue();
  for (let minute = 0; minute < 10; minute += 1) venue.bar(minute, "10");
  cache = createRedisCache({ url: redis.url, prefix: redis.prefix });
  replica = await startReplica({
    database,
    redis,
    venue,
    cache,
    settings: { R3_MARKET_DATA_INSTRUMENTS_AGE_MS: "1000" },
  });
  await replica.ensure();
});

afterAll(async () => {
  await replica.stop();
  await cache.close();
  await redis.cleanup();
  await database.drop();
});

async function problemOf(path: string, body?: unknown) {
  const answer = await replica.ask(path, body);
  const problem = (await answer.json()) as { status: number; code: string; errors?: { field: string }[] };
  return { status: answer.status, fields: problem.errors?.map(({ field }) => field.split(".").at(-1)) ?? [] };
}

describe("instruments", () => {
  test("are read from the venues at start", async () => {
    await until(async () => {
      const { items } = (await (await replica.ask("/instruments")).json()) as { items: unknown[] };
      return items.length === 1;
    });
    expect(await (await replica.ask("/instruments?venue=paper&limit=5")).json()).toEqual({
      items: [spx],
      nextCursor: null,
    });
  });

  test("that are new are asked for at their venue when someone names them", async () => {
    const other = { ...spx, id: "NDX/USD.paper", symbol: "NDX/USD", venueSymbol: "NDXUSD", base: "NDX" };
    venue.known = [spx, other];
    const find = async (id: string) => await (await replica.ask(`/instruments?id=${encodeURIComponent(id)}`)).json();
    expect(await find(other.id)).toEqual({ items: [other], nextCursor: null });
    expect(await find("ABC/USD.paper")).toEqual({ items: [], nextCursor: null });
    const [row] = await database.db.sql`select venue from reference.instruments where id = ${other.id}`;
    expect(row).toEqual({ venue: "paper" });
    // Now it is kept: no one is asked.
    const asked = venue.asked;
    await find(other.id);
    expect(venue.asked).toBe(asked);
  });
});

describe("an instrument that was found", () => {
  const idPath = `/instruments?id=${encodeURIComponent(spx.id)}`;
  const found = async () => ((await (await replica.ask(idPath)).json()) as { items: Instrument[] }).items[0];

  test("is found as its venue has it, once it was read again, and when it is gone", async () => {
    expect(await found()).toEqual(spx);
    venue.known = [{ ...spx, minNotional: "77" }];
    await until(async () => (await found())?.minNotional === "77");
    venue.known = [];
    await until(async () => (await found())?.status === "GONE");
    venue.known = [spx];
    await until(async () => (await found())?.status === "TRADING");
  });
});

describe("candles", () => {
  test("are read by number or by time", async () => {
    const numbers = async (query: string) => (await replica.candles(query)).map(({ n }) => n);
    expect(await numbers("fromN=3&limit=2")).toEqual([3, 4]);
    expect(await numbers("fromN=3&limit=2")).toEqual([3, 4]);
    expect(await numbers("fromN=9")).toEqual([9, 10]);
    expect(await numbers(`fromMs=${2 * MINUTE_MS}&toMs=${4 * MINUTE_MS}`)).toEqual([3, 4]);
    expect(await numbers("fromN=11")).toEqual([]);
  });
});

describe("bad input", () => {
  test("is named field by field", async () => {
    const id = encodeURIComponent(spx.id);
    expect(await problemOf(`/candles?instrumentId=${id}&timeFrame=2m&fromN=x&limit=x`)).toEqual({
      status: 422,
      fields: ["timeFrame", "fromN", "limit"],
    });
    expect(await problemOf(`/candles?instrumentId=${id}&timeFrame=1m&fromMs=5&toMs=5`)).toEqual({
      status: 422,
      fields: ["toMs"],
    });
    expect(await problemOf("/series", { instrumentId: spx.id, timeFrame: "1m", source: "air" })).toMatchObject({
      status: 422,
      fields: ["source", "history"],
    });
  });

  test("an unknown instrument is 404, another source of a kept series 409", async () => {
    const series = { timeFrame: "1m", source: "bars", history: 0 };
    expect(await problemOf("/series", { ...series, instrumentId: "ABC/USD.paper" })).toMatchObject({ status: 404 });
    const other = { ...series, instrumentId: spx.id, source: "trades" };
    expect(await problemOf("/series", other)).toMatchObject({ status: 409 });
  });
});
