import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type RunningProcess, startProcess, untilReady } from "./alone.fixture.ts";
import { barOf } from "./alone-neighbours.fixture.ts";
import { SESSION, type World } from "./alone-world.fixture.ts";

const KEYS = { apiKey: "alone-key", secret: "alone-secret" };
const MARKET = "alone";

/** Settings of a paper exchange with one lockstep market of three days, in a folder. */
export function venueSettings(folder: string): Record<string, string> {
  const bars = join(folder, "bars.csv");
  const rows = [1, 2, 3].map((n) => {
    const { openAtMs, open, high, low, close, volume } = barOf(n, `${100 * n}`);
    return [new Date(openAtMs).toISOString().slice(0, 10), open, high, low, close, volume].join(",");
  });
  writeFileSync(bars, ["date,open,high,low,close,volume", ...rows].join("\n"));
  const { symbol, priceStep, sizeStep, minSize, minNotional } = spx;
  const market = {
    id: MARKET,
    symbol,
    bars,
    timeFrame: "1d",
    pace: "lockstep",
    rules: { priceStep, sizeStep, minSize, minNotional },
    fees: { maker: spx.makerFee, taker: spx.takerFee },
    account: { ...KEYS, balances: { USD: SESSION.capital } },
  };
  return {
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([market]),
    R3_PAPER_EXCHANGE_FOLDER: folder,
    R3_PAPER_EXCHANGE_CONTROL: "true",
  };
}

const marketUrl = (url: string): string => `${url}/api/paper-exchange/markets/${MARKET}`;

/** Settings by which a process trades at a paper exchange. */
function tradingSettings(url: string): Record<string, string> {
  const restUrl = marketUrl(url);
  const streams = restUrl.replace(/^http/, "ws");
  return {
    R3_VENUES: JSON.stringify([
      {
        id: "paper",
        connector: "binance",
        listLagMs: 0,
        restUrl,
        wsUrl: `${streams}/ws`,
        wsApiUrl: `${streams}/ws-api/v3`,
      },
    ]),
    R3_ACCOUNTS: JSON.stringify([{ id: SESSION.accountId, venue: "paper", ...KEYS }]),
  };
}

/** Lets the market go on once from where it stands: to the close of the bar, or to the next price that fills an order. */
export async function release(url: string): Promise<void> {
  const state = (await (await fetch(`${marketUrl(url)}/control/state`)).json()) as { step: number };
  await fetch(`${marketUrl(url)}/control/release`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ step: state.step }),
  });
}

/** A signed request as any Binance client sends it. */
export async function callVenue(
  url: string,
  [method, path]: readonly ["GET" | "POST", string],
  params: Record<string, string>,
): Promise<Record<string, unknown>> {
  const query = new URLSearchParams({ symbol: spx.venueSymbol, timestamp: String(Date.now()), ...params }).toString();
  const signature = createHmac("sha256", KEYS.secret).update(query).digest("hex");
  const answer = await fetch(`${marketUrl(url)}/api/v3/${path}?${query}&signature=${signature}`, {
    method,
    headers: { "x-mbx-apikey": KEYS.apiKey },
  });
  return (await answer.json()) as Record<string, unknown>;
}

/** A paper exchange of a world's own. The world's settings then name it. */
export async function startVenue(world: World): Promise<RunningProcess> {
  const venue = await startProcess(["paper-exchange"], venueSettings(world.folder));
  await untilReady(venue);
  Object.assign(world.settings, tradingSettings(venue.url));
  return venue;
}
