import type { Decimal } from "#shared/domain/decimal.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { StrategyRuntime } from "#shared/strategy/runtime.ts";
import type { Turn, TurnRequest } from "./strategy-host.ts";

/** What is told of a turn before the strategy's code runs. */
export interface TurnSteps {
  onBar(n: number): void;
  onSave(): void;
}

/** Shows bars to a strategy, as a turn asks for it. Throws what fails, in a sentence. */
export function playTurn(
  runtime: StrategyRuntime,
  { bars, mode, size, busy }: Omit<TurnRequest, "size"> & { size: Decimal },
  steps: TurnSteps,
): Turn {
  runtime.setPosition(size);
  runtime.setBusy(busy);
  let signal: Turn["signal"] = null;
  for (const [index, bar] of bars.entries()) {
    steps.onBar(bar.n);
    guarded(`failed at candle ${bar.n}`, () => runtime.feed(bar));
    const intent = runtime.intent(mode);
    if (intent === null) continue;
    signal = { at: index, intent };
    runtime.setBusy(true);
  }
  // Of a forming bar without a signal nothing is kept.
  if (bars.at(-1)?.closed === false && signal === null) return { signal, snapshot: null };
  steps.onSave();
  return { signal, snapshot: guarded("could not be saved", () => runtime.snapshot()) };
}

/** Runs a strategy's code; what it throws becomes a sentence about the strategy. */
export function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`The strategy ${what}: ${messageOf(error)}`, { cause: error });
  }
}
