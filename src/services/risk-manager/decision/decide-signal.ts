import { type Budget, lockContext, type NextContext } from "#services/risk-manager/store.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { TaskOutcome } from "#shared/queue/queue.ts";
import { type Approval, type Denial, decide } from "#shared/risk/decide.ts";
import { refuseSignal } from "./admission.ts";
import { approve, type DecideDeps, deny } from "./write-decision.ts";

/**
 * Decides a signal once: the decision, and its orders with their reservations and tasks (or the denial), are in this one
 * transaction. A task that comes again finds the decision and does nothing. NOT_YET: the book lacks events of the session's
 * orders, which another group brings. `ahead`: the context, where it was read together with the lane's lock.
 */
export async function decideSignal(
  tx: Tx,
  deps: DecideDeps,
  signal: Signal,
  ahead: NextContext | null = null,
): Promise<TaskOutcome> {
  const nowMs = deps.clock.nowMs();
  const context = ahead?.signalId === signal.id ? ahead.context : await lockContext(tx, signal, nowMs);
  if (context.decided !== null) return { decision: "already made" };
  const { session, instrument, budget } = context;
  const marketNowMs = instrument === null ? null : deps.exchanges.marketNowMs(instrument.venue);
  const marketAtMs = Math.max(signal.marketAtMs, budget?.marketAtMs ?? 0, marketNowMs ?? 0);
  const { account, risk, gap } = context;
  const refusedExit = budget?.refusedExit ?? null;
  const refusal = refuseSignal(signal, { session, account, risk, gap, marketAtMs, refusedExit, nowMs });
  if (refusal !== null || session === null || budget === null) {
    const { code, reason } = refusal ?? { code: "SESSION_NOT_TRADING", reason: "There is no such session." };
    return deny(tx, deps, signal, { kind: "denied", code, reason });
  }
  // A session signals only when its orders have ended: one that is open here has fills that the book does not have yet.
  if (budget.openOrders > 0)
    throw new AppError("NOT_YET", "transient", "The book does not have all fills of the session yet.");
  const decision = measure(signal, session, budget, instrument);
  if (decision.kind === "denied") return deny(tx, deps, signal, decision);
  return approve(tx, deps, { cause: signal, session, budget, decision, marketAtMs });
}

function measure(signal: Signal, session: Session, budget: Budget, instrument: Instrument | null): Approval | Denial {
  const mark = signal.marks[signal.instrumentId];
  if (instrument === null || mark === undefined) {
    return { kind: "denied", code: "INSTRUMENT_NOT_TRADING", reason: "The instrument or its mark is not known." };
  }
  const { book, reserved, refusedExit } = budget;
  const { intent } = signal;
  const refusals = refusedExit?.times ?? 0;
  return decide({ intent, mark: decimal(mark), policy: session.riskPolicy, instrument, book, reserved, refusals });
}
