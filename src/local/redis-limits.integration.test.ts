import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import { testRedis } from "#shared/db/test-database.ts";

test("a Redis of ours takes no value above 8 MiB, from any client", async () => {
  const place = testRedis();
  const redis = new Redis(place.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on("error", () => undefined);
  const write = (bytes: number) =>
    redis.xadd(`${place.prefix}:long`, "*", "e", Buffer.alloc(bytes)).then(
      () => "taken",
      () => "refused",
    );
  expect(await write(8 * 1024 * 1024)).toBe("taken");
  expect(await write(8 * 1024 * 1024 + 1)).toBe("refused");
  redis.disconnect();
  await place.cleanup();
});
