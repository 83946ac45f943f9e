import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type DataFolder, takeDataFolder } from "./data-folder.ts";
import { removeData, startRedis } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

let data: DataFolder;
let supervisor: Supervisor;

beforeEach(() => {
  data = takeDataFolder(mkdtempSync(join(tmpdir(), "redis-file-")), "the test");
  supervisor = new Supervisor(data, () => undefined);
});

afterEach(async () => {
  await supervisor.stop();
  removeData(data.path);
});

/** Starts it, lets `use` use it, and ends it. */
async function run<Result>(use: (redis: Redis) => Promise<Result>): Promise<Result> {
  const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 1 });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
    await supervisor.end("redis");
  }
}

const write = () =>
  run(async (redis) => {
    for (let at = 0; at < 100; at++) await redis.set(`key ${at}`, "value");
  });
const keysLeft = () => run((redis) => redis.dbsize());

function fileOf(kind: "incr" | "base"): string {
  const folder = join(data.path, "redis/appendonlydir");
  return join(folder, readdirSync(folder).find((name) => name.includes(kind)) ?? "");
}

test("Redis starts with a file whose end is zeros, as after a power cut, and has all that was before them", async () => {
  await write();
  appendFileSync(fileOf("incr"), Buffer.alloc(5_000));
  expect(await keysLeft()).toBe(100);
});

test("with one that was cut in the middle of an entry", async () => {
  await write();
  truncateSync(fileOf("incr"), 1_000);
  const left = await keysLeft();
  expect([left > 0, left < 100]).toEqual([true, true]);
});

test("with one whose beginning cannot be read, empty", async () => {
  await write();
  writeFileSync(fileOf("base"), "nonsense");
  expect(await keysLeft()).toBe(0);
  // And it goes on from there.
  await write();
  expect(await keysLeft()).toBe(100);
});
