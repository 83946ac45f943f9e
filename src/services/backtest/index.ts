import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import { ALERTS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { createBacktest } from "./service.ts";
import { settings } from "./settings.ts";

/** Runs strategies on history, with the code that trades; see README.md. */
export const backtest = defineService({
  name: "backtest",
  description: "Runs strategies on history with the code that trades: orders, equity, statistics",
  scaling: "task queue",
  needs: "engine",
  topics: { in: [], out: [ALERTS] },
  tasks: { works: [RUN_BACKTEST], asks: [RUN_BACKTEST] },
  alerts: {},
  settings,
  create: (deps, values) => createBacktest({ deps, settings: values }),
});
