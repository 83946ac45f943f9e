import { defineService } from "#shared/service/service.ts";
import { createMarketData } from "./service.ts";
import { marketDataSettings } from "./settings.ts";

/** Instruments and candles: the store, the numbers, the cache. */
export const marketData = defineService({
  name: "market-data",
  description: "Keeps instruments and candles of every time frame, and publishes candles with their numbers",
  settings: marketDataSettings,
  create: createMarketData,
});
