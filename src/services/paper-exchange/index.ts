import { defineService } from "#shared/service/service.ts";
import { createPaperExchange } from "./service.ts";
import { paperExchangeSettings } from "./settings.ts";

/** A simulated venue that speaks Binance spot's REST and WebSocket protocol. */
export const paperExchange = defineService({
  name: "paper-exchange",
  description:
    "Simulated venue: matching, accounts and fees, over replayed, synthetic or manual prices; speaks Binance spot's protocol",
  scaling: "one a market",
  needs: "process",
  topics: { in: [], out: [] },
  tasks: { works: [], asks: [] },
  alerts: {},
  settings: paperExchangeSettings,
  create: createPaperExchange,
});
