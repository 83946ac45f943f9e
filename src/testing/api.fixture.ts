import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#local/ports.ts";
import { getJson, postJson } from "#local/rest.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "./alone.fixture.ts";

const KEYS = { apiKey: "api-key", secret: "api-secret" };
/** The instrument, the account and the simulated market of these tests. */
export const INSTRUMENT = "BTC/USDT.paper";
export const ACCOUNT = "api-account";
const MARKET = "made-up";
/** A simulated market that shows the prices it is given, and no venue of the engine. */
export const TICKER = "ticker";
/** An instrument that has bars of days alone. */
export const DAYS = "SPX/USD.days";

/** The whole engine in one process, on a market whose prices are made up, with a session that trades. */
export interface RunningApi {
  process: RunningProcess;
  /** Base URL of the services, `http://.../api`. */
  url: string;
  sessionId: string;
  /** Settings by which it runs. */
  settings: Record<string, string>;
  close(): Promise<void>;
}

function marketSettings(port: number, folder: string): Record<string, string> {
  const bitcoin = {
    symbol: "BTC/USDT",
    rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
    fees: { maker: "0.0005", taker: "0.001" },
    account: { ...KEYS, balances: { USDT: "100000" } },
  };
  const madeUp = { pace: "synthetic", startPrice: "30000", tradeEveryMs: 100, historyBars: 200 };
  const days = {
    ...bitcoin,
    symbol: "SPX/USD",
    pace: { speed: 864_000 },
    timeFrame: "1d",
    bars: "node_modules/vega-datasets/data/sp500-2000.csv",
    rules: { priceStep: "0.000001", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10" },
    account: { ...KEYS, balances: { USD: "10000" } },
  };
  const markets = [
    { ...bitcoin, ...madeUp, id: MARKET },
    { ...days, id: "days" },
    { ...bitcoin, pace: "manual", id: TICKER },
  ];
  const urlsOf = (id: string) => {
    const rest = `127.0.0.1:${port}/api/paper-exchange/markets/${id}`;
    return { restUrl: `http://${rest}`, wsUrl: `ws://${rest}/ws`, wsApiUrl: `ws://${rest}/ws-api/v3` };
  };
  const binance = { connector: "binance", listLagMs: 0 };
  return {
    R3_HTTP_PORT: String(port),
    R3_PAPER_EXCHANGE_FOLDER: folder,
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify(markets),
    R3_VENUES: JSON.stringify([
      { id: "paper", ...binance, ...urlsOf(MARKET) },
      { id: "days", ...binance, marketClock: "replay", ...urlsOf("days") },
    ]),
    R3_ACCOUNTS: JSON.stringify([{ id: ACCOUNT, venue: "paper", ...KEYS }]),
  };
}

/** A session's body as it is created, and with `more`. */
export function sessionBody(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "API",
    strategy: "sma-cross",
    params: { fast: 1, slow: 2 },
    instrumentIds: [INSTRUMENT],
    timeFrame: "1s",
    accountId: ACCOUNT,
    capital: "5000",
    riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
    ...more,
  };
}

/** Starts it on servers of the test run, and waits until its session has orders. */
export async function startApi(more: Record<string, string> = {}): Promise<RunningApi> {
  const database = await createTestDatabase();
  const redis = testRedis();
  const folder = mkdtempSync(join(tmpdir(), "api-"));
  const own = { DATABASE_URL: database.url, REDIS_URL: redis.url, R3_PREFIX: redis.prefix };
  const settings = { ...own, ...marketSettings(await freePort(), folder), ...more };
  const process = await startProcess(["all"], settings);
  const url = `${process.url}/api`;
  const close = async (): Promise<void> => {
    await process.stop();
    await redis.cleanup();
    await database.drop();
    await rm(folder, { recursive: true });
  };
  try {
    await untilReady(process, 30_000);
    const { id } = (await postJson(`${url}/session-manager/sessions`, sessionBody())).body as { id: string };
    await postJson(`${url}/session-manager/sessions/${id}/start`, {});
    const orders = async () =>
      ((await getJson(`${url}/order-position-tracker/orders?sessionId=${id}`)) as { items: unknown[] }).items.length >
      0;
    await eventually("its session has orders", orders, 40_000);
    return { process, url, sessionId: id, settings, close };
  } catch (error) {
    await close();
    throw error;
  }
}
