import type { Decimal } from "#shared/domain/decimal.ts";
import { type BarName, candleName, guarded, strategyError } from "#shared/strategy/failing.ts";
import type { StrategyRuntime } from "#shared/strategy/runtime.ts";
import type { BarsOutcome, BarsRequest } from "./strategy-host.ts";

/** Told before each part of the strategy's code runs. */
export interface BarsHooks {
  onBar(bar: BarName): void;
  onSave(): void;
}

/** Shows bars to a strategy, as was asked for. Throws what fails, in a sentence. */
export function runBars(
  runtime: StrategyRuntime,
  { bars, mode, size, busy }: Omit<BarsRequest, "size"> & { size: Decimal },
  hooks: BarsHooks,
): BarsOutcome {
  runtime.setPosition(size);
  runtime.setBusy(busy);
  let signal: BarsOutcome["signal"] = null;
  for (const [index, bar] of bars.entries()) {
    hooks.onBar(bar);
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
  hooks.onSave();
  return {
    signal,
    snapshot: guarded(`could not be saved${last === undefined ? "" : ` after ${candleName(last)}`}`, () =>
      runtime.snapshot(),
    ),
  };
}
