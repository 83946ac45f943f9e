import type { TradingState } from "#shared/domain/account.ts";
import { blocksEntries } from "#shared/domain/degradation.ts";
import type { Session } from "#shared/domain/session.ts";
import type { DenialCode, Signal } from "#shared/domain/signal.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { type BookGap, refuseByBook } from "#shared/risk/book-rule.ts";
import { type RiskState, refuseByRisk } from "#shared/risk/risk-state-rule.ts";
import { isExpired } from "#shared/risk/validity-rule.ts";
import { type RefusedExit, sayRefused } from "./refused-exit.ts";

/** What a signal is measured against before any sizing. */
export interface AdmissionContext {
  session: Session | null;
  /** Null: no such account is known. */
  account: TradingState | null;
  /** What risk holds back; null: nothing. */
  risk: RiskState | null;
  /** What the session's book is known to lack. Null: nothing. */
  gap: BookGap | null;
  /** The newest market time that is known for the session. */
  marketAtMs: number;
  refusedExit: RefusedExit | null;
  /** Wall clock. */
  nowMs: number;
}

/**
 * Whether a signal may be decided at all, before any sizing: the session and its run, the account, what risk holds back, whether the book is whole,
 * whether exits pause after a refusal, the signal's validity. Null: it may.
 */
export function refuseSignal(
  signal: Signal,
  { session, account, risk, gap, marketAtMs, refusedExit, nowMs }: AdmissionContext,
): { code: DenialCode; reason: string } | null {
  const exit = signal.intent.kind === "exit";
  if (session === null) return { code: "SESSION_NOT_TRADING", reason: "There is no such session." };
  if (signal.run !== session.run) {
    return { code: "SIGNAL_STALE_RUN", reason: `The signal is of run ${signal.run}, the session's is ${session.run}.` };
  }
  if (session.state === "PAUSED" && !exit) {
    return { code: "SESSION_PAUSED", reason: "The session is paused: no entries." };
  }
  if (session.state !== "RUNNING" && session.state !== "PAUSED") {
    return { code: "SESSION_NOT_TRADING", reason: `The session is ${session.state}.` };
  }
  const incomplete = refuseByBook(gap, session.degraded);
  if (incomplete !== null) return incomplete;
  const missing = exit ? null : blocksEntries(session.degraded, session.riskPolicy.degradedEntries);
  if (missing !== null) return { code: "SESSION_DEGRADED", reason: `${missing.code}: ${missing.text}` };
  const refused = refuseByAccount(account, exit) ?? refuseByRisk(risk, { reduces: exit, closes: false });
  if (refused !== null) return refused;
  if (exit && refusedExit !== null && nowMs < refusedExit.retryAtMs) {
    return { code: "EXIT_PAUSED", reason: sayRefused(refusedExit) };
  }
  if (isExpired(signal, marketAtMs)) {
    return { code: "SIGNAL_EXPIRED", reason: `The signal was valid until ${signal.validUntilMs}.` };
  }
  return null;
}
