import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort } from "#local/ports.ts";
import { getJson } from "#local/rest.ts";
import { createPool } from "#shared/db/postgres.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { runDemo } from "#testing/demo.fixture.ts";

/** A candle of the demo's series that nobody showed, and an execution that nobody made, as the engine itself writes them. */
const CANDLE = {
  instrumentId: "SPX/USD.paper",
  timeFrame: "1d",
  source: "bars",
  closed: true,
  openAtMs: 946_944_000_000,
  closeAtMs: 947_030_400_000,
  open: "1",
  high: "1",
  low: "1",
  close: "1",
  volume: "1",
  receivedAtMs: 1,
};
const envelopeOf = (type: string, key: string, data: object) =>
  JSON.stringify({ id: crypto.randomUUID(), source: "forger", type, key, timeMs: Date.now(), version: 1, data });

/** Writes into every stream that there is: garbage, what looks true, and true entries under other numbers. */
async function forgeInto(redis: Redis, key: string, round: number): Promise<void> {
  const forged = [
    "garbage",
    envelopeOf("market.candle", "SPX/USD.paper", { ...CANDLE, n: round }),
    envelopeOf("order.filled", "x", { order: {}, fill: { price: "1", size: "1000000" } }),
    envelopeOf("session.changed", "x", { from: "RUNNING", session: { state: "STOPPED" } }),
  ];
  const [true_] = await redis.xrevrange(key, "+", "-", "COUNT", 1);
  const id = round % 20 === 0 ? `${2 ** 50 + round}-0` : "*";
  const texts = true_ === undefined ? forged : [...forged, true_[1][1] ?? ""];
  // One at a time: an id of time is far above every number of a durable stream.
  await redis.xadd(key, id, "e", texts[round % texts.length] ?? "").catch(() => null);
}

/** Of which topics an alert says that they hold forged entries, and how many were counted. */
async function whatIsTold(folder: string): Promise<{ alerts: string[]; counted: number }> {
  const { urls } = JSON.parse(readFileSync(join(folder, "places.json"), "utf8")) as { urls: Record<string, string> };
  const url = urls["session-manager"];
  const { items } = (await getJson(`${urls["monitoring"]}/api/monitoring/alerts?code=BROKER_FORGED&limit=1000`)) as {
    items: { scope: string; code: string }[];
  };
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counts = [...metrics.matchAll(/^broker_forged_entries_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return {
    alerts: items.filter(({ code }) => code === "BROKER_FORGED").map(({ scope }) => scope),
    counted: counts.reduce((sum, count) => sum + count, 0),
  };
}

test("garbage, forged candles and forged executions in every stream, with the password known, change nothing, are counted, and are alerted once", async () => {
  const port = await freePort();
  let written = 0;
  let told: Awaited<ReturnType<typeof whatIsTold>> | undefined;
  const { line, checker, leftRunning } = await runDemo(["--bars", "120"], {
    settings: { R3_REDIS_PORT: String(port) },
    async meanwhile(folder, signal) {
      const file = join(folder, "redis-password");
      await eventually("the password", () => existsSync(file) && existsSync(join(folder, "places.json")), 60_000);
      const redis = new Redis({ port, host: "127.0.0.1", password: readFileSync(file, "utf8") });
      for (let round = 1; !signal.aborted; round += 1) {
        for (const key of await redis.keys("*{*:*}")) {
          if ((await redis.type(key)) !== "stream") continue;
          await forgeInto(redis, key, round);
          written += 1;
        }
        await Bun.sleep(250);
      }
      redis.disconnect();
      told = await whatIsTold(folder);
    },
  });
  expect(written).toBeGreaterThan(100);
  expect(line).toMatchObject({ bars: 120, equal: true });
  expect(checker.code).toBe(0);
  expect(leftRunning).toEqual([]);
  // Of each topic that somebody reads, however much was written into it.
  expect(told?.alerts).toContain("topic:market.candles");
  expect(new Set(told?.alerts).size).toBe(told?.alerts.length ?? -1);
  expect(told?.counted).toBeGreaterThan(told?.alerts.length ?? 0);
}, 240_000);

describe("on a machine that others use too", () => {
  let redisSaid = "";
  let postgresSaid = "";
  /** Every file of a running demo, and those that somebody else may read or write. */
  let files: string[] = [];
  let open: string[] = [];

  beforeAll(async () => {
    const [port, postgresPort] = [await freePort(), await freePort()];
    const { line } = await runDemo(["--bars", "60"], {
      settings: { R3_REDIS_PORT: String(port), R3_POSTGRES_PORT: String(postgresPort) },
      async meanwhile(folder) {
        await eventually("the engine", () => existsSync(join(folder, "places.json")), 60_000);
        const redis = new Redis({ port, host: "127.0.0.1", maxRetriesPerRequest: 0 });
        redis.on("error", () => undefined);
        redisSaid = await redis.xadd("r3", "*", "e", "1").then(String, String);
        redis.disconnect();
        const sql = createPool(`postgres://r3@127.0.0.1:${postgresPort}/postgres`, { maxConnections: 1 });
        postgresSaid = await sql`select 1`.then(String, String);
        await sql.end();
        // Root's Postgres runs as another user, who reads its programs.
        const all = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
          (name) => name !== "postgres" && !name.startsWith("postgres/binaries"),
        );
        files = all.filter((name) => statSync(join(folder, name)).isFile());
        open = all.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);
      },
    });
    expect(line.equal).toBe(true);
  }, 120_000);

  test("a Redis and a Postgres of ours take nothing from whoever has not got the password", () => {
    expect(redisSaid).toContain("NOAUTH");
    expect(postgresSaid).toContain("password authentication failed");
  });

  test.each([
    "redis-password",
    "postgres-password",
    "redis/redis.conf",
    "redis/appendonlydir/",
    "logs/engine.log",
    ".sqlite",
    "postgres/data/",
  ])("nobody else reads logs, Redis' files or the venue's SQLite: %s", (name) => {
    expect(files.filter((file) => file.includes(name))).not.toEqual([]);
    expect(open).toEqual([]);
  });
});
