import { CANCEL_ORDER, FLATTEN_POSITION, FLATTEN_SESSION, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { ALERTS, MARKET_CANDLES, ORDERS, POSITIONS, SESSION_REPORTS, SESSIONS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createOrderPositionTracker } from "./service.ts";
import { orderPositionTrackerSettings } from "./settings.ts";

export const orderPositionTracker = defineService({
  name: "order-position-tracker",
  description: "Places orders, follows fills, keeps positions, ledger and equity",
  scaling: "task queue, no state in the process",
  needs: "engine",
  topics: { in: [SESSIONS, MARKET_CANDLES], out: [ORDERS, POSITIONS, SESSION_REPORTS, ALERTS] },
  tasks: { works: [PLACE_ORDER, CANCEL_ORDER, FLATTEN_SESSION], asks: [CANCEL_ORDER, FLATTEN_POSITION] },
  alerts,
  settings: orderPositionTrackerSettings,
  create: createOrderPositionTracker,
});
