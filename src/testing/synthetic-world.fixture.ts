import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { engineSettings, marketUrl, type ServiceUrls } from "#demo/demo-settings.ts";
import type { VenueAccess } from "#demo/venue-client.ts";
import { type Line, layLine } from "#local/line.ts";
import { freePort } from "#local/ports.ts";
import { postJson } from "#local/rest.ts";
import { SERVICES } from "#local/services.ts";
import { createTestDatabase, type TestDatabase, testRedis } from "#shared/db/test-database.ts";
import { type RunningProcess, startProcess, untilReady } from "./alone.fixture.ts";

export const SYMBOL = "BTC/USDT";
export const DEPOSITS = { USDT: "1000000" } as const;

/** Real processes that trade on a synthetic market, and a hand on each: any may be killed, frozen and started again. */
export interface SyntheticWorld {
  database: TestDatabase;
  urls: ServiceUrls;
  accountId: string;
  instrumentId: string;
  access: VenueAccess;
  /** What every process reaches Redis by. */
  redis: Line;
  /**
   * Starts a process of these services and waits until it takes work. It listens where the others look for the first of them, or,
   * as one more of a kind, at a port of its own.
   */
  start(
    services: readonly string[],
    more?: { settings?: Record<string, string>; extra?: boolean },
  ): Promise<RunningProcess>;
  /** Starts a session of this name that buys and sells in turn, an order a second. Answers its id. */
  startFlips(name: string): Promise<string>;
  /** Ends a process as a power cut does. */
  kill(process: RunningProcess): Promise<void>;
  close(): Promise<void>;
}

/** Asks session-manager for it. */
async function startFlips(url: string, more: Record<"name" | "accountId" | "instrumentId", string>): Promise<string> {
  const { name, accountId, instrumentId } = more;
  const wanted = {
    name,
    strategy: "flip",
    instrumentIds: [instrumentId],
    timeFrame: "1s",
    accountId,
    capital: "10000",
    riskPolicy: { sizing: { method: "fixed-size", size: "0.01" }, degradedEntries: "allow" },
  };
  const made = await postJson(`${url}/api/session-manager/sessions`, wanted, { idempotencyKey: name });
  const { id } = z.object({ id: z.string() }).parse(made.body);
  await postJson(`${url}/api/session-manager/sessions/${id}/start`, {}, { idempotencyKey: `${name}, start` });
  return id;
}

/** Services that share a process share its address. */
async function addresses(together: readonly (readonly string[])[]): Promise<ServiceUrls> {
  const urls: Record<string, string> = {};
  for (const { name } of SERVICES) urls[name] = `http://127.0.0.1:${await freePort()}`;
  for (const [first, ...others] of together) for (const other of others) urls[other] = urls[first ?? ""] ?? "";
  return urls as ServiceUrls;
}

/** One that stands still hears nothing; one may have died by itself. */
function wake({ pid }: RunningProcess): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** How a world differs from the others. */
interface SyntheticWorldOptions {
  /** The services that share a process. */
  together?: readonly (readonly string[])[];
  settings?: Record<string, string>;
  tradeEveryMs?: number;
  /** Where processes are to die, each once, in whichever of them passes its place first. */
  failpoints?: readonly object[];
}

/** Makes a world in which nothing runs yet. */
export async function createSyntheticWorld(
  id: string,
  { together = [], settings = {}, tradeEveryMs = 100, failpoints = [] }: SyntheticWorldOptions = {},
): Promise<SyntheticWorld> {
  const [database, redisServer, urls] = [await createTestDatabase(), testRedis(), await addresses(together)];
  const redis = await layLine(redisServer.url);
  const folder = mkdtempSync(join(tmpdir(), `${id}-`));
  const [apiKey, secret] = [crypto.randomUUID(), crypto.randomUUID()];
  const account = { apiKey, secret, balances: DEPOSITS };
  const rules = { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" };
  const fees = { maker: "0.001", taker: "0.001" };
  const market = {
    id,
    symbol: SYMBOL,
    pace: "synthetic",
    seed: 1,
    startPrice: "30000",
    tradeEveryMs,
    historyBars: 100,
    rules,
    fees,
    account,
  };
  const env = engineSettings({
    given: { ...settings },
    markets: [{ venue: id, id, apiKey, secret, marketClock: "wall", settings: market }],
    urls,
    databaseUrl: database.url,
    redisUrl: redis.url,
    prefix: redisServer.prefix,
    dataFolder: folder,
    failpoints,
  });
  const running = new Set<RunningProcess>();
  return {
    database,
    urls,
    accountId: id,
    instrumentId: `${SYMBOL}.${id}`,
    access: { url: marketUrl(id, urls), symbol: "BTCUSDT", apiKey, secret },
    redis,
    async start(services, { settings: more = {}, extra = false } = {}) {
      const port = extra ? "0" : new URL(urls[services[0] ?? ""] ?? "").port;
      const process = await startProcess(services, { ...env, R3_LOG_LEVEL: "info", ...more, R3_HTTP_PORT: port });
      running.add(process);
      await untilReady(process, 30_000);
      return process;
    },
    startFlips: (name) => startFlips(urls["session-manager"], { name, accountId: id, instrumentId: `${SYMBOL}.${id}` }),
    async kill(one) {
      running.delete(one);
      process.kill(one.pid, "SIGKILL");
      await one.stop();
    },
    async close() {
      for (const one of running) wake(one);
      await Promise.all([...running].map((one) => one.stop()));
      await redis.cut();
      await redisServer.cleanup();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
