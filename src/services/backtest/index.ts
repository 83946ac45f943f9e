import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import { ALERTS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { createBacktest } from "./service.ts";
import { settings } from "./settings.ts";
import { RUN_SWEEP } from "./sweep/messages.ts";

/** Runs strategies on history, with the code that trades; see README.md. */
export const backtest = defineService({
  name: "backtest",
  description: "Runs strategies on history with the code that trades: orders, equity, statistics",
  scaling: "task queue",
  needs: "engine",
  topics: { in: [], out: [ALERTS] },
  tasks: { works: [RUN_BACKTEST, RUN_SWEEP], asks: [RUN_BACKTEST, RUN_SWEEP] },
  alerts: {},
  settings,
  create: (deps, values) => createBacktest({ deps, settings: values }),
});
