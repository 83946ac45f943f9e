import type { TradingState } from "#shared/domain/account.ts";
import type { DenialCode } from "#shared/domain/signal.ts";
import { asSentence } from "#shared/errors/as-sentence.ts";
import { sayScope } from "./risk-scope.ts";

/** How much risk holds back. 1: no entries. 2: only orders that reduce. 3: only risk's own closing orders. */
export type RiskLevel = 1 | 2 | 3;

/** The strictest state of risk that concerns an order, as `reference.risk_state` gives it. */
export interface RiskState {
  /** `all`, `account:<id>` or `session:<id>`. */
  scope: string;
  level: RiskLevel;
  /** Why, in a sentence. */
  cause: string;
  sinceMs: number;
}

const LEVELS: Readonly<Record<RiskLevel, { code: DenialCode; says: string; takes: string }>> = {
  1: { code: "RISK_PAUSED", says: "paused", takes: "no entries" },
  2: { code: "RISK_REDUCING", says: "REDUCING", takes: "only orders that reduce" },
  3: { code: "RISK_HALTED", says: "HALTED", takes: "nothing but what risk closes itself" },
};

/** Why risk takes no such order now. Null: it takes it. `closes`: risk made it itself, to close what a session holds. */
export function refuseByRisk(
  state: RiskState | null,
  { reduces, closes }: { reduces: boolean; closes: boolean },
): { code: DenialCode; reason: string } | null {
  if (state === null || closes || (reduces && state.level < 3)) return null;
  const { code, takes } = LEVELS[state.level];
  return { code, reason: `${sayRiskState(state)} It takes ${takes}.` };
}

/** What a state of risk is, since when and why. */
export function sayRiskState({ scope, level, cause, sinceMs }: RiskState): string {
  return `${sayScope(scope)} ${LEVELS[level].says} since ${new Date(sinceMs).toISOString()}: ${asSentence(cause)}`;
}

/** What an account is by itself, as order-position-tracker keeps it, which halts it where its venue's ids begin anew. */
export interface OwnState {
  id: string;
  tradingState: TradingState;
  reason: string | null;
}

/** The one trading state of an account: the strictest of what it is by itself and what risk holds back (null: nothing). */
export interface EffectiveState {
  tradingState: TradingState;
  /** Why, in a sentence; null: it is ACTIVE. */
  reason: string | null;
  /** Null: it is ACTIVE, or held by itself. */
  sinceMs: number | null;
}

/** See `EffectiveState`. Of two that are as strict, what the account is by itself is told: a person ends that elsewhere. */
export function effectiveStateOf(own: OwnState, strictest: RiskState | null): EffectiveState {
  const byRisk = tradingStateOf(strictest?.level ?? null);
  if (own.tradingState === "HALTED" || (own.tradingState === "REDUCING" && byRisk !== "HALTED"))
    return { tradingState: own.tradingState, reason: sayOwnState(own), sinceMs: null };
  if (strictest === null) return { tradingState: byRisk, reason: null, sinceMs: null };
  return { tradingState: byRisk, reason: sayRiskState(strictest), sinceMs: strictest.sinceMs };
}

/** What an account is by itself, and why. */
export function sayOwnState({ id, tradingState, reason }: OwnState): string {
  return `The account ${id} is ${tradingState} by itself: ${asSentence(reason ?? "no reason was told")}`;
}

function tradingStateOf(level: RiskLevel | null): TradingState {
  if (level === null) return "ACTIVE";
  return level === 3 ? "HALTED" : "REDUCING";
}
