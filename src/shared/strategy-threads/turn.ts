import type { Decimal } from "#shared/domain/decimal.ts";
import { type BarName, candleName, guarded, strategyError } from "#shared/strategy/failing.ts";
import type { StrategyRuntime } from "#shared/strategy/runtime.ts";
import type { Turn, TurnRequest } from "./strategy-host.ts";

/** What is told of a turn before the strategy's code runs. */
export interface TurnSteps {
  onBar(bar: BarName): void;
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
    steps.onBar(bar);
    try {
      runtime.feed(bar);
    } catch (error) {
      throw strategyError(`failed at ${candleName(bar)}`, error);
    }
    const intent = runtime.intent(mode);
    if (intent === null) continue;
    signal = { at: index, intent };
    runtime.setBusy(true);
  }
  // Of a forming bar without a signal nothing is kept.
  const last = bars.at(-1);
  if (last?.closed === false && signal === null) return { signal, snapshot: null };
  steps.onSave();
  return {
    signal,
    snapshot: guarded(`could not be saved${last === undefined ? "" : ` after ${candleName(last)}`}`, () =>
      runtime.snapshot(),
    ),
  };
}
