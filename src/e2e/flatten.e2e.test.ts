import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { DemoRun } from "#demo/demo-run.ts";
import { demoMarket, demoSession, engineSettings, type ServiceUrls, venueAccess } from "#demo/demo-settings.ts";
import { venueOrders } from "#demo/venue-client.ts";
import { environment } from "#local/environment.ts";
import { freePort } from "#local/ports.ts";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";

/** All services in one process on a lockstep market: a session is stopped while it holds something. */

const RUN: DemoRun = {
  id: "demoflatten",
  bars: 200,
  apiKey: "flatten-key",
  secret: "flatten-secret",
  sessionKey: "s",
  backtestKey: "b",
  sessionId: null,
  done: false,
};

let database: TestDatabase;
let redis: TestRedis;
let folder: string;
let engine: ReturnType<typeof Bun.spawn>;
let urls: ServiceUrls;
let base: string;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  folder = mkdtempSync(join(tmpdir(), "flatten-"));
  base = `http://127.0.0.1:${await freePort()}`;
  urls = Object.fromEntries(SERVICES.map(({ name }) => [name, base])) as ServiceUrls;
  const servers = { databaseUrl: database.url, redisUrl: redis.url, dataFolder: folder };
  const settings = engineSettings({
    given: environment(),
    markets: [demoMarket(RUN)],
    urls,
    prefix: redis.prefix,
    ...servers,
    failpoints: [],
  });
  engine = Bun.spawn([process.execPath, "bin/run.ts", "all"], {
    cwd: ROOT,
    env: { ...settings, R3_HTTP_PORT: new URL(base).port, R3_LOG_LEVEL: "error" },
    stdout: "ignore",
    stderr: "ignore",
  });
  await until(async () => (await fetch(`${base}/readyz`).catch(() => null))?.ok === true);
}, 60_000);
afterAll(async () => {
  engine.kill("SIGTERM");
  await engine.exited;
  await redis.cleanup();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const sessionsUrl = () => `${base}/api/session-manager/sessions`;
const stepSchema = z.object({ step: z.number() });
const sessionSchema = z.object({ id: z.string(), state: z.string() });
const exposureSchema = z.object({ openOrders: z.number(), positions: z.number() });

const stateOf = async (id: string) => sessionSchema.parse(await getJson(`${sessionsUrl()}/${id}`)).state;
const exposureOf = async (id: string) =>
  exposureSchema.parse(await getJson(`${base}/api/order-position-tracker/exposure?sessionId=${id}`));

/** Shows prices until a condition holds. */
async function releaseUntil(condition: () => Promise<boolean>): Promise<void> {
  const { url } = venueAccess(RUN, urls);
  await until(async () => {
    if (await condition()) return true;
    const { step } = stepSchema.parse(await getJson(`${url}/control/state`));
    await postJson(`${url}/control/release`, { step }, { accept: [409] });
    return false;
  }, 60_000);
}

test("a session that is told to stop with the policy flatten ends flat, by one market order that reduces", async () => {
  // Its own policy is to keep: what the stop is told counts.
  const wanted = { ...demoSession(RUN), stopPolicy: "keep" };
  const { id } = sessionSchema.parse((await postJson(sessionsUrl(), wanted, { idempotencyKey: "create" })).body);
  await postJson(`${sessionsUrl()}/${id}/start`, {});
  await until(async () => (await stateOf(id)) === "RUNNING");
  await releaseUntil(async () => (await exposureOf(id)).positions === 1);
  const before = (await venueOrders(venueAccess(RUN, urls))).length;

  await postJson(`${sessionsUrl()}/${id}/stop`, { stopPolicy: "flatten" });
  await until(async () => (await exposureOf(id)).openOrders === 1);
  // In lockstep the order waits for the next price, and the session with it.
  expect(await stateOf(id)).toBe("STOPPING");
  await releaseUntil(async () => (await stateOf(id)) === "STOPPED");

  expect(await exposureOf(id)).toEqual({ openOrders: 0, positions: 0 });
  const orders = await venueOrders(venueAccess(RUN, urls));
  expect(orders.slice(before)).toMatchObject([{ side: "SELL", type: "MARKET", status: "FILLED" }]);
  const gone = await fetch(`${sessionsUrl()}/${id}`, { method: "DELETE" });
  expect(gone.status).toBe(204);
}, 120_000);
