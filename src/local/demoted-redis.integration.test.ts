import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { type DataFolder, takeDataFolder } from "./data-folder.ts";
import { removeData, startRedis } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

let data: DataFolder;
let supervisor: Supervisor;

beforeEach(() => {
  data = takeDataFolder(mkdtempSync(join(tmpdir(), "demoted-")), "the test");
  supervisor = new Supervisor(data, () => undefined);
});
afterEach(async () => {
  await supervisor.stop();
  removeData(data.path);
});

/** Ids of the connections but the one that asks. */
async function connections(redis: Redis): Promise<Set<string>> {
  const own = await redis.client("ID");
  const list = String(await redis.client("LIST"));
  const ids = [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => String(id));
  return new Set(ids.filter((id) => id !== String(own)));
}

test("wake-ups and locks leave a Redis that takes no writes any more, so that they find the one that does", async () => {
  const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
  const redis = new Redis(redisUrl);
  const lock = createRedlockLock({ url: redisUrl, prefix: "r3" });
  const wakeups = createBullmqWakeups({ url: redisUrl, prefix: "r3" });
  const done: string[] = [];
  const running = wakeups.listen("tasks", 2, async (lane) => {
    done.push(lane);
    return {};
  });
  await running.ready;
  wakeups.wake("tasks", "first", { priority: 5 });
  expect(await lock.acquire("role", 60_000)).toBe(true);
  await until(() => done.includes("first"));
  const before = await connections(redis);
  // A replica of nobody: it closes no connection and refuses each write, as a master that was demoted.
  await redis.replicaof("127.0.0.1", 1);
  await until(async () => {
    wakeups.wake("tasks", "second", { priority: 5 });
    await lock.extend("role", 60_000).catch(() => undefined);
    const left = await connections(redis);
    return [...before].every((id) => !left.has(id));
  });
  await redis.replicaof("NO", "ONE");
  await until(() => {
    wakeups.wake("tasks", "third", { priority: 5 });
    return done.includes("third");
  });
  await running.close();
  await wakeups.close();
  await lock.close();
  redis.disconnect();
}, 60_000);
