import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { flip } from "./flip.ts";
import { smaCross } from "./sma-cross.ts";

/** Every strategy a session or a backtest may name. A new one is a file in this folder and a line here. */
export const STRATEGIES: readonly StrategyDefinition[] = [smaCross, flip];
