import { defineService } from "#shared/service/service.ts";
import { createBacktest } from "./service.ts";
import { settings } from "./settings.ts";

/** Runs strategies on history, with the code that trades; see README.md. */
export const backtest = defineService({
  name: "backtest",
  description: "Runs strategies on history with the code that trades: orders, equity, statistics.",
  settings,
  create: (deps, values) => createBacktest({ deps, settings: values }),
});
