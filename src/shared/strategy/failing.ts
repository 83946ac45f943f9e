import type { StrategyBar } from "./strategy.ts";
import { wordsOf } from "./thrown.ts";

/** Which bar is meant. `n` 0: none. */
export type BarName = Pick<StrategyBar, "n" | "closeAtMs">;

/** A bar as a sentence names it: by its number, and for whoever looks at a chart by its close. */
export function candleName({ n, closeAtMs }: BarName): string {
  return `candle ${n} (close ${new Date(closeAtMs).toISOString()})`;
}

/** Runs a strategy's code; what it throws becomes a sentence about the strategy. */
export function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw strategyError(what, error);
  }
}

/** What a strategy threw, as a sentence about it. */
export function strategyError(what: string, error: unknown): Error {
  return new Error(`The strategy ${what}: ${wordsOf(error)}`, { cause: error });
}
