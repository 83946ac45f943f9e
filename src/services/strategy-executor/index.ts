import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { ALERTS, MARKET_CANDLES, ORDERS, SESSION_REPORTS, SESSIONS, SIGNALS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { createStrategyExecutor } from "./service.ts";
import { settings } from "./settings.ts";

/** Runs the strategies of the sessions it leads; see README.md. */
export const strategyExecutor = defineService({
  name: "strategy-executor",
  description: "Runs the strategies of the sessions it leads: each closed candle once and in order",
  scaling: "shards with leaders",
  needs: "engine",
  topics: { in: [SESSIONS, ORDERS, SIGNALS, MARKET_CANDLES], out: [SIGNALS, SESSION_REPORTS, ALERTS] },
  tasks: { works: [], asks: [DECIDE_SIGNAL] },
  alerts: {},
  settings,
  create: (deps, values) => createStrategyExecutor(deps, values),
});
