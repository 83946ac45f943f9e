import { join } from "node:path";
import { BARS_FILE, type DemoRun } from "./demo-run.ts";
import type { VenueAccess } from "./venue-client.ts";

/** Services of the demo, in the order of their start. */
export const DEMO_SERVICES = [
  "paper-exchange",
  "data-collect",
  "market-data",
  "session-manager",
  "strategy-executor",
  "risk-manager",
  "order-position-tracker",
  "backtest",
] as const;
export type DemoService = (typeof DEMO_SERVICES)[number];
export type ServiceUrls = Record<DemoService, string>;

/** The instrument of docs/demo.md, and the rules of its market. */
export const DEMO_INSTRUMENT = "SPX/USD.paper";
const CAPITAL = "10000";

function marketOf(run: DemoRun) {
  return {
    id: run.id,
    symbol: "SPX/USD",
    rules: { priceStep: "0.000001", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10", feeDecimals: 8 },
    fees: { maker: "0.001", taker: "0.001" },
    account: { apiKey: run.apiKey, secret: run.secret, balances: { USD: CAPITAL } },
    bars: BARS_FILE,
    timeFrame: "1d",
    pace: "lockstep",
    limit: run.bars,
  };
}

/** Where the run's market is, and the keys of its account there. */
export function venueAccess(run: DemoRun, urls: ServiceUrls): VenueAccess {
  const url = `${urls["paper-exchange"]}/api/paper-exchange/markets/${run.id}`;
  return { url, symbol: "SPXUSD", apiKey: run.apiKey, secret: run.secret };
}

/** What REST and the session-manager are told: the session of docs/demo.md. */
export function demoSession(run: DemoRun) {
  return {
    name: `S&P 500, ${run.bars} daily bars`,
    strategy: "sma-cross",
    params: { fast: 10, slow: 30 },
    instrumentIds: [DEMO_INSTRUMENT],
    timeFrame: "1d",
    accountId: run.id,
    capital: CAPITAL,
    riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" } },
    stopPolicy: "keep",
  };
}

/** Variables that bin/ itself reads; the services do not know them. */
export const OWN_SETTINGS: readonly string[] = ["R3_DATA_FOLDER", "R3_POSTGRES_PORT", "R3_REDIS_PORT"];

export interface SettingsOptions {
  run: DemoRun;
  urls: ServiceUrls;
  databaseUrl: string;
  redisUrl: string;
  dataFolder: string;
  failpoints: readonly object[];
}

/** The environment of every process of the engine; each gets its own port on top. */
export function engineSettings(options: SettingsOptions): Record<string, string> {
  const { run, urls, databaseUrl, redisUrl, dataFolder, failpoints } = options;
  const venue = venueAccess(run, urls).url;
  const streams = venue.replace(/^http/, "ws");
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !OWN_SETTINGS.includes(entry[0]),
  );
  return {
    ...Object.fromEntries(inherited),
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    R3_PREFIX: `r3-${run.id}`,
    R3_LOG_FORMAT: "json",
    R3_DATA_COLLECT_URL: urls["data-collect"],
    R3_MARKET_DATA_URL: urls["market-data"],
    R3_STRATEGY_EXECUTOR_URL: urls["strategy-executor"],
    R3_ORDER_POSITION_TRACKER_URL: urls["order-position-tracker"],
    R3_VENUES: JSON.stringify([
      { id: "paper", connector: "binance", restUrl: venue, wsUrl: `${streams}/ws`, wsApiUrl: `${streams}/ws-api/v3` },
    ]),
    R3_ACCOUNTS: JSON.stringify([{ id: run.id, venue: "paper", apiKey: run.apiKey, secret: run.secret }]),
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([marketOf(run)]),
    R3_PAPER_EXCHANGE_FOLDER: join(dataFolder, "paper-exchange"),
    R3_PAPER_EXCHANGE_CONTROL: "true",
    R3_FAILPOINTS: JSON.stringify(failpoints),
    R3_FAILPOINT_FOLDER: join(dataFolder, "failpoints"),
  };
}
