import { describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { inScratch } from "#local/scratch.ts";
import { startRedis } from "#local/servers.ts";
import { eventually, type RunningProcess, runToEnd, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { createWorld } from "#testing/alone-world.fixture.ts";

/** A process of the engine on a Redis and a database that are nobody else's. */
async function withService(
  body: (service: RunningProcess, at: { redis: Redis; redisUrl: string; database: string }) => Promise<void>,
) {
  await inScratch({ prefix: "r3edge-writes-", command: "a test" }, async ({ supervisor, data }) => {
    const world = await createWorld();
    const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
    const redis = new Redis(redisUrl);
    const service = await startProcess(["risk-manager"], { ...world.settings, REDIS_URL: redisUrl });
    try {
      await untilReady(service);
      await body(service, { redis, redisUrl, database: world.settings["DATABASE_URL"] ?? "" });
    } finally {
      await service.stop();
      redis.disconnect();
      await world.close();
    }
  });
}

const waitsFor = (service: RunningProcess, words: RegExp, withinMs?: number) =>
  eventually(
    `it says ${words.source}`,
    async () => {
      const { status, body } = await service.readyz();
      return status === 503 && words.test(JSON.stringify(body));
    },
    withinMs,
  );

describe("a process is not ready, and says why, while", () => {
  test("Redis is at its maxmemory and answers pings", async () => {
    await withService(async (service, { redis }) => {
      await redis.config("SET", "maxmemory", "1");
      expect(await redis.ping()).toBe("PONG");
      await waitsFor(service, /"Redis \(OOM command not allowed/);
      await redis.config("SET", "maxmemory", "0");
      await untilReady(service);
    });
  });

  test("Redis is READONLY and answers pings", async () => {
    await withService(async (service, { redis }) => {
      await redis.call("REPLICAOF", "127.0.0.1", "1");
      expect(await redis.ping()).toBe("PONG");
      await waitsFor(service, /"Redis \(READONLY/);
      await redis.call("REPLICAOF", "NO", "ONE");
      await untilReady(service);
    });
  });

  test("Redis was told to evict what it holds", async () => {
    await withService(async (service, { redis }) => {
      await redis.config("SET", "maxmemory-policy", "allkeys-lru");
      await waitsFor(
        service,
        /"Redis \(it forgets events and wake-ups when it is full \(maxmemory-policy allkeys-lru\)/,
        45_000,
      );
      await redis.config("SET", "maxmemory-policy", "noeviction");
      await untilReady(service);
    });
  }, 90_000);

  test("Postgres is read-only and answers queries", async () => {
    await withService(async (service, { database }) => {
      const name = new URL(database).pathname.slice(1);
      const sql = new Bun.SQL(database, { max: 1 });
      const set = async (value: "on" | "off") => {
        await sql.unsafe(`alter database "${name}" set default_transaction_read_only = ${value}`);
        await sql.unsafe(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`,
        );
      };
      await set("on");
      await waitsFor(service, /"Postgres \(cannot execute UPDATE in a read-only transaction\)/);
      await set("off");
      await untilReady(service);
      await sql.close();
    });
  });
});

test("a Redis that evicts what it holds is refused at the start, in one sentence", async () => {
  await withService(async (_service, { redis, redisUrl, database }) => {
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
    const settings = { DATABASE_URL: database, REDIS_URL: redisUrl, R3_HTTP_PORT: "0" };
    const { code, error } = await runToEnd(["bin/run.ts", "risk-manager"], settings);
    expect({ code, error }).toEqual({
      code: 1,
      error:
        "Redis, which REDIS_URL names, forgets events and wake-ups when it is full (maxmemory-policy allkeys-lru): set maxmemory-policy to noeviction.\n",
    });
  });
});
