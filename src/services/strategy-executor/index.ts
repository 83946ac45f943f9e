import { defineService } from "#shared/service/service.ts";
import { createStrategyExecutor } from "./service.ts";
import { settings } from "./settings.ts";

/** Runs the strategies of the sessions it leads; see README.md. */
export const strategyExecutor = defineService({
  name: "strategy-executor",
  description: "Runs the strategies of the sessions it leads: each closed candle once and in order.",
  settings,
  create: (deps, values) => createStrategyExecutor(deps, values),
});
