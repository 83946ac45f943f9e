import postgres from "postgres";
import { z } from "zod";
import { untilRunning } from "#demo/demo.ts";
import { engineSettings, marketUrl, type PaperMarket, type ServiceUrls } from "#demo/demo-settings.ts";
import { chooseUrls, startServices } from "#demo/engine.ts";
import { makeDatabase } from "#local/make-database.ts";
import { postJson } from "#local/rest.ts";
import type { Scratch } from "#local/scratch.ts";
import type { Servers } from "#local/servers.ts";
import type { Subject } from "./books.ts";
import { LIST_LAG_MS } from "./fault-schedule.ts";

/** An engine that trades on synthetic markets. */
export interface MarketWorld {
  subjects: readonly Subject[];
  sessions: readonly string[];
  urls: ServiceUrls;
  sql: postgres.Sql;
  close(): Promise<void>;
}

const SYMBOL = "BTC/USDT";
const CAPITAL = "100000";
const DEPOSITS = { USDT: "1000000", BNB: "1000" } as const;

/** Each market has something of its own: rebates, or orders that are on their way for a while. */
const KINDS = [
  { rules: {}, fees: { maker: "0.001", taker: "0.001" }, latencyMs: 0 },
  { rules: {}, fees: { maker: "0.0005", taker: "-0.0001" }, latencyMs: 30 },
  { rules: {}, fees: { maker: "0", taker: "0.00075" }, latencyMs: 200 },
] as const;

function marketOf(index: number, seed: number): PaperMarket {
  const { rules, fees, latencyMs } = KINDS[index % KINDS.length] ?? KINDS[0];
  const id = `synthetic-${index + 1}`;
  const [apiKey, secret] = [crypto.randomUUID(), crypto.randomUUID()];
  return {
    venue: id,
    id,
    apiKey,
    secret,
    marketClock: "wall",
    listLagMs: LIST_LAG_MS,
    settings: {
      id,
      symbol: SYMBOL,
      pace: "synthetic",
      seed: seed + index,
      startPrice: "30000",
      tradeEveryMs: 250,
      regimeMs: 10_000,
      historyBars: 100,
      latencyMs,
      rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5", ...rules },
      fees,
      account: { apiKey, secret, balances: DEPOSITS },
    },
  };
}

/** Sessions of a market: one that orders at each trade, one that crosses averages. */
function sessionsOf({ venue, id }: PaperMarket) {
  const common = {
    instrumentIds: [`${SYMBOL}.${venue}`],
    timeFrame: "1s",
    accountId: id,
    capital: CAPITAL,
    stopPolicy: "keep",
  };
  const riskPolicy = { sizing: { method: "fixed-size", size: "0.01" }, degradedEntries: "allow" };
  return [
    { ...common, name: `flip at ${id}`, strategy: "flip", riskPolicy },
    { ...common, name: `cross at ${id}`, strategy: "sma-cross", params: { fast: 2, slow: 5 }, riskPolicy },
  ];
}

/** Short windows and quick looks, so that much is met in little time. */
const QUICK = {
  R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS: "1000",
  R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: "200",
  R3_DATA_COLLECT_INSTRUMENTS_AGE_MS: "2000",
  R3_MARKET_DATA_INSTRUMENTS_AGE_MS: "2000",
  R3_MARKET_DATA_LEAST_HISTORY: "50",
  R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS: "2000",
  R3_LOG_LEVEL: "warn",
};

/** Starts the services in one process on so many synthetic markets, with two sessions on each. */
export async function startMarketWorld(
  { supervisor, data, env: given }: Scratch,
  servers: Servers,
  { seed, markets: count }: { seed: number; markets: number },
): Promise<MarketWorld> {
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_chaos");
  const markets = Array.from({ length: count }, (_, index) => marketOf(index, seed));
  const urls = await chooseUrls(false);
  const env = engineSettings({
    given: { ...given, ...QUICK },
    markets,
    urls,
    databaseUrl,
    redisUrl: servers.redisUrl,
    prefix: "r3-chaos",
    dataFolder: data.path,
    failpoints: [],
  });
  await startServices(supervisor, { urls, env: { ...env, ...QUICK }, processes: false });
  const base = `${urls["session-manager"]}/api/session-manager/sessions`;
  const sessions: string[] = [];
  for (const session of markets.flatMap(sessionsOf)) {
    const created = await postJson(base, session, { idempotencyKey: session.name });
    const { id } = z.object({ id: z.string() }).parse(created.body);
    await postJson(`${base}/${id}/start`, {}, { idempotencyKey: `${session.name} start` });
    await untilRunning(urls, id, 30_000);
    sessions.push(id);
  }
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => undefined });
  const subjects = markets.map(({ id, venue, apiKey, secret }) => ({
    instrumentId: `${SYMBOL}.${venue}`,
    accountId: id,
    access: { url: marketUrl(id, urls), symbol: "BTCUSDT", apiKey, secret },
    deposits: DEPOSITS,
  }));
  return { subjects, sessions, urls, sql, close: () => sql.end() };
}
