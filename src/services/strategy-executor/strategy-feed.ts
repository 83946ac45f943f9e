import type { Clock } from "#shared/clock/clock.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { findStrategy } from "#shared/strategy/registry.ts";
import {
  createStrategyRuntime,
  type RuntimeSnapshot,
  type StrategyRuntime,
  type TradingMode,
} from "#shared/strategy/runtime.ts";
import type { StrategyBar, StrategyDefinition } from "#shared/strategy/strategy.ts";

/** A failure of a strategy, which faults its session and nothing else. */
export function strategyFailed(reason: string, cause?: unknown): AppError {
  return new AppError("STRATEGY_FAILED", "permanent", reason, { cause });
}

/** The strategy a session names, in the version it was made for. Throws STRATEGY_FAILED where there is none. */
export function definitionOf(strategies: readonly StrategyDefinition[], session: Session): StrategyDefinition {
  const definition = findStrategy(strategies, session.strategy);
  if (definition === null) throw strategyFailed(`There is no strategy "${session.strategy}" here.`);
  if (definition.version === session.strategyVersion) return definition;
  const versions = `version ${session.strategyVersion}, but here is ${definition.version}`;
  throw strategyFailed(`The session was made for "${session.strategy}" in ${versions}.`);
}

/** The runtime of a session's strategy, as it was when `snapshot` was taken (null: new). Throws STRATEGY_FAILED. */
export function loadRuntime(options: {
  definition: StrategyDefinition;
  session: Session;
  instrument: Instrument;
  snapshot: RuntimeSnapshot | null;
}): StrategyRuntime {
  const { definition, session, instrument, snapshot } = options;
  return guarded("could not begin", () => {
    const runtime = createStrategyRuntime({ definition, params: session.params, instrument });
    if (snapshot !== null) runtime.restore(snapshot);
    return runtime;
  });
}

/**
 * Shows a strategy one candle. Throws STRATEGY_FAILED when it throws, or when it took longer than its budget: it is measured
 * afterwards, so that a strategy that never returns still stops its process.
 */
export function feedCandle(runtime: StrategyRuntime, candle: Candle, watch: { clock: Clock; budgetMs: number }): void {
  const began = watch.clock.monotonicMs();
  guarded(`failed at candle ${candle.n}`, () => runtime.feed(barOf(candle)));
  const tookMs = watch.clock.monotonicMs() - began;
  if (tookMs <= watch.budgetMs) return;
  const took = `${Math.ceil(tookMs)} ms for candle ${candle.n}`;
  throw strategyFailed(`The strategy took ${took}; its budget is ${watch.budgetMs} ms.`);
}

/** All that a strategy remembers. Throws STRATEGY_FAILED. */
export function snapshotOf(runtime: StrategyRuntime): RuntimeSnapshot {
  return guarded("could not be saved", () => runtime.snapshot());
}

/** What a session in this state may do with a wish. */
export function modeOf(state: Session["state"]): TradingMode {
  if (state === "RUNNING") return "all";
  return state === "PAUSED" ? "exits" : "none";
}

function barOf(candle: Candle): StrategyBar {
  return {
    n: candle.n,
    openAtMs: candle.openAtMs,
    closeAtMs: candle.closeAtMs,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
    closed: candle.closed,
  };
}

function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw strategyFailed(`The strategy ${what}: ${messageOf(error)}`, error);
  }
}
