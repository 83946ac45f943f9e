import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type DataFolder, takeDataFolder } from "#local/data-folder.ts";
import { removeData, startRedis } from "#local/servers.ts";
import { Supervisor } from "#local/supervisor.ts";
import { eventually, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";

let world: World;
let data: DataFolder;
let supervisor: Supervisor;
let gate: Server | null;

beforeEach(async () => {
  world = await createWorld();
  data = takeDataFolder(mkdtempSync(join(tmpdir(), "recovering-")), "the test");
  supervisor = new Supervisor(data, () => undefined);
  gate = null;
});
afterEach(async () => {
  gate?.close();
  await supervisor.stop();
  removeData(data.path);
  await world.close();
});

/** What Postgres says to who connects while it recovers; it is too quick with it for a test. */
function recovering(): Buffer {
  const fields = ["SFATAL", "VFATAL", "C57P03", "Mthe database system is in recovery mode"];
  const body = Buffer.from(`${fields.join("\0")}\0\0`);
  const head = Buffer.from("E0000");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** The server that a URL names, behind one that refuses the first connections with these words. */
async function refuseFirst(times: number, words: Buffer, url: string): Promise<string> {
  const target = new URL(url);
  let refused = 0;
  const server = createServer((near) => {
    near.on("error", () => undefined);
    if (refused++ < times) {
      near.once("data", () => near.end(words));
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    far.on("error", () => near.destroy());
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    near.pipe(far).pipe(near);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  const here = new URL(url);
  here.port = String(typeof address === "object" && address !== null ? address.port : 0);
  gate = server;
  return here.href;
}

/** Starts a service, which has to say once that it waits for the server, and to be ready then. */
async function startsWaiting(settings: Record<string, string>, server: string): Promise<void> {
  const service = await startProcess(["risk-manager"], { ...world.settings, ...settings });
  await untilReady(service);
  const waits = service.log.filter((text) => text.includes("a server is coming up, waiting"));
  expect(waits.map((text) => (JSON.parse(text) as { server: string }).server)).toEqual([server]);
  expect((await service.stop()).code).toBe(0);
}

test("a service that starts while Postgres recovers waits for it", async () => {
  const url = await refuseFirst(3, recovering(), world.settings["DATABASE_URL"] ?? "");
  await startsWaiting({ DATABASE_URL: url }, "Postgres");
}, 60_000);

test("a service that starts while Redis reads its file waits for it", async () => {
  const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
  const redis = new Redis(redisUrl, { enableReadyCheck: false });
  redis.on("error", () => undefined);
  await redis.mset(...Array.from({ length: 20_000 }, (_, index) => [`key${index}`, "1"]).flat());
  await redis.bgrewriteaof();
  await eventually("its file is written", async () =>
    /^aof_rewrite_in_progress:0\r?$/m.test(await redis.info("persistence")),
  );
  // It takes two seconds and more to read them, and answers meanwhile.
  appendFileSync(
    join(data.path, "redis/redis.conf"),
    "key-load-delay 100\nloading-process-events-interval-bytes 1024\n",
  );
  process.kill(supervisor.pidOf("redis") ?? 0, "SIGKILL");
  await eventually("it reads its file", () =>
    redis.get("key1").then(
      () => false,
      (error: Error) => error.message.startsWith("LOADING"),
    ),
  );
  await startsWaiting({ REDIS_URL: redisUrl }, "Redis");
  redis.disconnect();
}, 60_000);

test("a process of all services stops within seconds while Redis is silent", async () => {
  const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
  const service = await startProcess(["all"], { ...world.settings, REDIS_URL: redisUrl });
  await untilReady(service);
  const pid = supervisor.pidOf("redis") ?? 0;
  process.kill(pid, "SIGSTOP");
  try {
    await eventually("it is missed", async () => (await service.readyz()).status === 503);
    const { code, tookMs } = await service.stop();
    expect(code).toBe(0);
    // Nearly nine seconds were it one after another's deadlines.
    expect(tookMs).toBeLessThan(5_000);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}, 60_000);
