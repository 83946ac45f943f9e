import type { RiskPolicy } from "#shared/domain/session.ts";

/** Bars from closes alone: each opens where the one before closed. Bar i closes at minute i + 1. */
export function barsOf(closes: readonly number[]) {
  return closes.map((close, index) => {
    const open = index === 0 ? close : (closes[index - 1] as number);
    return {
      open: String(open),
      high: String(Math.max(open, close)),
      low: String(Math.min(open, close)),
      close: String(close),
      volume: "1",
      openAtMs: index * 60_000,
      closeAtMs: (index + 1) * 60_000,
    };
  });
}

/** A policy that buys with this share of the equity and has no other limit. */
export function percentPolicy(percent: string): RiskPolicy {
  return {
    sizing: { method: "percent-of-equity", percent },
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
    degradedEntries: "deny-stale",
  };
}
