import { join } from "node:path";
import { z } from "zod";
import { settingsInvalid } from "#shared/config/load.ts";
import { BARS_FILE, type DemoRun } from "./demo-run.ts";
import type { VenueAccess } from "./venue-client.ts";

/** The services that the demo, or another service, asks by name. */
type AskedService =
  | "paper-exchange"
  | "data-collect"
  | "market-data"
  | "session-manager"
  | "strategy-executor"
  | "order-position-tracker"
  | "backtest";
/** Where each service is. */
export type ServiceUrls = Record<string, string> & Record<AskedService, string>;

/** The instrument of docs/demo.md, and the rules of its market. */
export const DEMO_INSTRUMENT = "SPX/USD.paper";
/** The demo's venue in the engine. */
export const DEMO_VENUE = "paper";
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

/** Where a simulated market is. */
export function marketUrl(id: string, urls: ServiceUrls): string {
  return `${urls["paper-exchange"]}/api/paper-exchange/markets/${id}`;
}

/** Where the run's market is, and the keys of its account there. */
export function venueAccess(run: DemoRun, urls: ServiceUrls): VenueAccess {
  const url = marketUrl(run.id, urls);
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

/** A simulated market, and the account there that trades on it. */
export interface PaperMarket {
  /** The venue's name in the engine. */
  venue: string;
  /** Its own id, and that of the account. */
  id: string;
  apiKey: string;
  secret: string;
  marketClock: "wall" | "replay";
  /** How far its lists may lag; 0 unless it is told to misbehave. */
  listLagMs?: number;
  /** What paper-exchange is told of it. */
  settings: { id: string; [name: string]: unknown };
}

/** The market of a demo run. */
export function demoMarket(run: DemoRun, listLagMs = 0): PaperMarket {
  const { id, apiKey, secret } = run;
  return { venue: DEMO_VENUE, id, apiKey, secret, marketClock: "replay", listLagMs, settings: marketOf(run) };
}

export interface SettingsOptions {
  /** The variables that were given: the environment's and the settings file's. */
  given: Readonly<Record<string, string>>;
  markets: readonly PaperMarket[];
  urls: ServiceUrls;
  databaseUrl: string;
  redisUrl: string;
  /** First part of all keys in Redis. */
  prefix: string;
  dataFolder: string;
  failpoints: readonly object[];
}

/**
 * The environment of every process of the engine; each gets its own port on top. The given venues, accounts and simulated
 * markets stand beside those of the demo.
 *
 * @throws AppError SETTINGS_INVALID where one has the name of the demo's.
 */
export function engineSettings(options: SettingsOptions): Record<string, string> {
  const { given, markets, urls, databaseUrl, redisUrl, prefix, dataFolder, failpoints } = options;
  // The file has been read, and may be named from a folder that is not theirs.
  const { R3_SETTINGS_FILE: _file, ...inherited } = given;
  return {
    // Whoever writes strategies beside a running engine sees what they do.
    R3_STRATEGY_RELOAD: "true",
    ...inherited,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    R3_PREFIX: prefix,
    R3_LOG_FORMAT: "json",
    R3_DATA_COLLECT_URL: urls["data-collect"],
    R3_MARKET_DATA_URL: urls["market-data"],
    R3_STRATEGY_EXECUTOR_URL: urls["strategy-executor"],
    R3_ORDER_POSITION_TRACKER_URL: urls["order-position-tracker"],
    R3_MONITORING_URL: urls["monitoring"] ?? "",
    R3_VENUES: beside(
      given,
      "R3_VENUES",
      markets.map((market) => venueOf(market, urls)),
    ),
    R3_ACCOUNTS: beside(
      given,
      "R3_ACCOUNTS",
      markets.map(({ id, venue, apiKey, secret }) => ({ id, venue, apiKey, secret })),
    ),
    R3_PAPER_EXCHANGE_MARKETS: beside(
      given,
      "R3_PAPER_EXCHANGE_MARKETS",
      markets.map(({ settings }) => settings),
    ),
    R3_PAPER_EXCHANGE_FOLDER: join(dataFolder, "paper-exchange"),
    R3_PAPER_EXCHANGE_CONTROL: "true",
    R3_FAILPOINTS: JSON.stringify(failpoints),
    R3_FAILPOINT_FOLDER: join(dataFolder, "failpoints"),
  };
}

/**
 * The given entries of a list.
 *
 * @throws AppError SETTINGS_INVALID where one has an id of the demo's.
 */
export function refuseTaken(given: SettingsOptions["given"], name: string, ids: readonly string[]) {
  const own = z.array(z.looseObject({ id: z.string() })).parse(JSON.parse(given[name] ?? "[]"));
  const taken = own.find(({ id }) => ids.includes(id));
  if (taken !== undefined) throw settingsInvalid([`${name}: "${taken.id}" is the demo's own; choose another id`]);
  return own;
}

/** The demo's entries of a list and the given ones, as JSON text. */
function beside(given: SettingsOptions["given"], name: string, entries: readonly { id: string }[]): string {
  const own = refuseTaken(
    given,
    name,
    entries.map(({ id }) => id),
  );
  return JSON.stringify([...entries, ...own]);
}

function venueOf({ venue, id, marketClock, listLagMs = 0 }: PaperMarket, urls: ServiceUrls) {
  const restUrl = marketUrl(id, urls);
  const streams = restUrl.replace(/^http/, "ws");
  const addresses = { restUrl, wsUrl: `${streams}/ws`, wsApiUrl: `${streams}/ws-api/v3` };
  return { id: venue, connector: "binance", ...addresses, marketClock, listLagMs };
}
