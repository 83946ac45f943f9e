import { expect, test } from "bun:test";
import { connect, usable } from "./redis-connection.ts";

test("a crowd that waits for a Redis that is away is one listener, and all hear when it is there", async () => {
  const redis = connect("redis://127.0.0.1:1", 1_000);
  const before = redis.listenerCount("ready");
  const outcomes = Array.from({ length: 50 }, () =>
    usable(redis, 60_000).then(
      () => "usable",
      (error: unknown) => String(error),
    ),
  );
  expect(redis.listenerCount("ready")).toBe(before);
  redis.emit("ready");
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(["usable"]));
  redis.disconnect();
});
