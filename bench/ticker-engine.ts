import postgres from "postgres";
import { z } from "zod";
import { untilRunning } from "#demo/demo.ts";
import { engineSettings, marketUrl, type PaperMarket, type ServiceUrls } from "#demo/demo-settings.ts";
import { chooseUrls, startServices } from "#demo/engine.ts";
import { makeDatabase } from "#local/make-database.ts";
import { postJson } from "#local/rest.ts";
import type { Scratch } from "#local/scratch.ts";
import type { Servers } from "#local/servers.ts";
import { type Order, orderSchema } from "#shared/domain/order.ts";

/** An engine whose sessions order at each tick of their markets. */
export interface TickerEngine {
  /** Shows the next price at a market, 0 to markets - 1. */
  tick(market: number): Promise<void>;
  /** The orders whose frame arrived in [fromMs, untilMs), in the order of arrival. */
  orders(fromMs: number, untilMs: number): Promise<Order[]>;
  close(): Promise<void>;
}

function tickerMarket(index: number): PaperMarket {
  const id = `ticker-${index + 1}`;
  const [apiKey, secret] = [crypto.randomUUID(), crypto.randomUUID()];
  return {
    venue: id,
    id,
    apiKey,
    secret,
    marketClock: "wall",
    settings: {
      id,
      symbol: "BTC/USDT",
      rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5", feeDecimals: 8 },
      fees: { maker: "0.001", taker: "0.001" },
      account: { apiKey, secret, balances: { USDT: "1000000" } },
      pace: "manual",
    },
  };
}

/** One session that turns its position around at each tick; a fixed size, so that fees never make it too small. */
function flipSession(market: PaperMarket) {
  return {
    name: `flip at ${market.id}`,
    strategy: "flip",
    instrumentIds: [`BTC/USDT.${market.venue}`],
    timeFrame: "1d",
    accountId: market.id,
    capital: "1000000",
    riskPolicy: { sizing: { method: "fixed-size", size: "0.01" } },
    stopPolicy: "keep",
  };
}

function ticker(markets: readonly PaperMarket[], urls: ServiceUrls) {
  const cents = markets.map(() => 3_000_000);
  return async (market: number): Promise<void> => {
    // Up and down by a cent around the start: what an order costs stays the same.
    cents[market] = cents[market] === 3_000_000 ? 3_000_001 : 3_000_000;
    const price = ((cents[market] ?? 0) / 100).toFixed(2);
    await postJson(`${marketUrl(markets[market]?.id ?? "", urls)}/control/tick`, { price });
  };
}

/** Starts the services with so many ticker markets, and a session on each. */
export async function startTickerEngine(
  { supervisor, data, env: given }: Scratch,
  servers: Servers,
  options: { markets: number; processes: boolean },
): Promise<TickerEngine> {
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_bench");
  const markets = Array.from({ length: options.markets }, (_, index) => tickerMarket(index));
  const urls = await chooseUrls(options.processes);
  const env = engineSettings({
    given,
    markets,
    urls,
    databaseUrl,
    redisUrl: servers.redisUrl,
    prefix: "r3-bench",
    dataFolder: data.path,
    failpoints: [],
  });
  await startServices(supervisor, { urls, env: { ...env, R3_LOG_LEVEL: "warn" }, processes: options.processes });
  const tick = ticker(markets, urls);
  for (const index of markets.keys()) await tick(index);
  const sessions = `${urls["session-manager"]}/api/session-manager/sessions`;
  for (const market of markets) {
    const created = await postJson(sessions, flipSession(market), { idempotencyKey: market.id });
    const { id } = z.object({ id: z.string() }).parse(created.body);
    await postJson(`${sessions}/${id}/start`, {}, { idempotencyKey: `${market.id}-start` });
    await untilRunning(urls, id, 30_000);
  }
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  return {
    tick,
    async orders(fromMs, untilMs) {
      const rows = await sql<{ data: unknown }[]>`
        select data from order_position_tracker.orders
        where (data ->> 'receivedAtMs')::numeric >= ${fromMs} and (data ->> 'receivedAtMs')::numeric < ${untilMs}
        order by (data ->> 'receivedAtMs')::numeric`;
      return rows.map(({ data: order }) => orderSchema.parse(order));
    },
    close: () => sql.end(),
  };
}
