import { ALERTS, MARKET_BARS, MARKET_CANDLES, MARKET_QUOTES, MARKET_TRADES } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { RUN_BACKFILL } from "./backfill/messages.ts";
import { createMarketData } from "./service.ts";
import { marketDataSettings } from "./settings.ts";

/** Instruments and candles: the store, the numbers, the cache. */
export const marketData = defineService({
  name: "market-data",
  description: "Keeps instruments, candles of every time frame and quotes, and publishes candles with their numbers",
  scaling: "replicas for reads, partitions for aggregation",
  needs: "engine",
  tasks: { works: [RUN_BACKFILL], asks: [RUN_BACKFILL] },
  topics: { in: [MARKET_BARS, MARKET_TRADES, MARKET_QUOTES, MARKET_CANDLES], out: [MARKET_CANDLES, ALERTS] },
  alerts,
  settings: marketDataSettings,
  create: createMarketData,
});
