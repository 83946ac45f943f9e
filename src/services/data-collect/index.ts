import {
  ALERTS,
  MARKET_BARS,
  MARKET_QUOTES,
  MARKET_TRADES,
  SESSION_REPORTS,
  SESSIONS,
} from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createDataCollect } from "./service.ts";
import { dataCollectSettings } from "./settings.ts";

/** Live market data from the venues, and what closes its holes. */
export const dataCollect = defineService({
  name: "data-collect",
  description: "Follows the venues: live bars, trades and quotes, history and holes by REST",
  scaling: "partitions by instrument",
  needs: "engine",
  topics: { in: [SESSIONS], out: [MARKET_BARS, MARKET_TRADES, MARKET_QUOTES, SESSION_REPORTS, ALERTS] },
  tasks: { works: [], asks: [] },
  alerts,
  settings: dataCollectSettings,
  create: createDataCollect,
});
