import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { takeDataFolder } from "./data-folder.ts";
import { removeData, startRedis } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

const STREAM = { topic: "candles", part: 1 };
const BYTES = 300_000_000;

// On a Redis of its own: to make and to send such an entry takes it seconds, in which it answers nobody.
test("an entry of hundreds of megabytes goes before it is read", async () => {
  const data = takeDataFolder(mkdtempSync(join(tmpdir(), "giant-entry-")), "the test");
  const supervisor = new Supervisor(data, () => undefined);
  try {
    const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
    const redis = new Redis(redisUrl);
    const broker = createRedisBroker({ url: redisUrl, prefix: "r3", incarnation: "i", blockMs: 50 });
    const group = broker.groupReader("group", "member");
    group.assign([{ ...STREAM, durable: false, epoch: 1, doneSeq: () => 0 }]);
    const key = `r3:i:{${STREAM.topic}:${STREAM.part}}`;
    await redis.eval(`redis.call("XADD", KEYS[1], "*", "e", string.rep("x", ARGV[1]))`, 1, key, BYTES);
    await until(async () => {
      await broker.pushVolatile([{ ...STREAM, json: "after", maxLength: 100 }]).catch(() => undefined);
      const found = await group.read(100).catch(() => []);
      return found.some(({ json }) => json === "after");
    });
    expect(await redis.memory("USAGE", key)).toBeLessThan(BYTES);
    await group.close();
    await broker.close();
    redis.disconnect();
  } finally {
    await supervisor.stop();
    removeData(data.path);
  }
}, 60_000);
