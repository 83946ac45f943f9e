import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Cache } from "./cache.ts";
import { createMemoryCache } from "./memory.ts";
import { createRedisCache } from "./redis.ts";

let redis: TestRedis;
beforeAll(() => {
  redis = testRedis();
});
afterAll(() => redis.cleanup());

const makers: [string, () => Cache][] = [
  ["redis", () => createRedisCache({ url: redis.url, prefix: redis.prefix })],
  ["memory", () => createMemoryCache()],
];

describe.each(makers)("cache in %s", (_name, make) => {
  test("gives back what was set until it is deleted", async () => {
    const cache = make();
    // A connection that is not there yet is a cache that forgets.
    await until(async () => {
      await cache.set("a", "1", 60_000);
      return (await cache.get("a")) === "1";
    });
    await cache.set("b", "2", 60_000);
    await cache.delete(["a", "not there"]);
    expect(await cache.get("a")).toBeNull();
    expect(await cache.get("b")).toBe("2");
    await cache.delete([]);
    await cache.close();
  });

  test("forgets a key after its time", async () => {
    const cache = make();
    await until(async () => {
      await cache.set("short", "1", 60);
      return (await cache.get("short")) === "1";
    });
    await until(async () => (await cache.get("short")) === null);
    await cache.close();
  });
});

test("what is no text in Redis is not there, and is written over", async () => {
  const cache = createRedisCache({ url: redis.url, prefix: redis.prefix });
  const admin = new Redis(redis.url);
  await admin.rpush(`${redis.prefix}:cache:list`, "garbage");
  expect(await cache.get("list")).toBeNull();
  await until(async () => {
    await cache.set("list", "1", 60_000);
    return (await cache.get("list")) === "1";
  });
  admin.disconnect();
  await cache.close();
});

test("a Redis that is away is an empty cache, not an error", async () => {
  const cache = createRedisCache({ url: "redis://127.0.0.1:1", prefix: "away" });
  await cache.set("a", "1", 1_000);
  expect(await cache.get("a")).toBeNull();
  await cache.delete(["a"]);
  await cache.close();
});

test("a full memory cache forgets what was written first", async () => {
  const cache = createMemoryCache({ maxKeys: 2 });
  for (const key of ["a", "b", "c"]) await cache.set(key, key, 1_000);
  expect([await cache.get("a"), await cache.get("b"), await cache.get("c")]).toEqual([null, "b", "c"]);
});
