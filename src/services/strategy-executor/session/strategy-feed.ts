import type { Candle } from "#shared/domain/candle.ts";
import type { Session } from "#shared/domain/session.ts";
import type { TradingMode } from "#shared/strategy/runtime.ts";
import type { StrategyBar } from "#shared/strategy/strategy.ts";

/** What a session in this state may do with a wish. */
export function modeOf(state: Session["state"]): TradingMode {
  if (state === "RUNNING") return "all";
  return state === "PAUSED" ? "exits" : "none";
}

/** A candle as strategies see it, in float64. */
export function barOf(candle: Candle): StrategyBar {
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
