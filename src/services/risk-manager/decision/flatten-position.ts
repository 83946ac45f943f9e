import { type Budget, type Cause, type DecisionContext, lockContext } from "#services/risk-manager/store.ts";
import { heldOf } from "#shared/accounting/book.ts";
import { closableSize } from "#shared/accounting/flat.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Session } from "#shared/domain/session.ts";
import type { FlattenPosition } from "#shared/messages/tasks.ts";
import type { TaskOutcome } from "#shared/queue/queue.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { whyIncomplete } from "#shared/risk/book-rule.ts";
import { type Approval, type Denial, decide } from "#shared/risk/decide.ts";
import { reportFaulted } from "#shared/session-health/report-faulted.ts";
import { reportWaiting } from "#shared/session-health/report-waiting.ts";
import { sayRefused } from "./refused-exit.ts";
import { approve, type DecideDeps, deny } from "./write-decision.ts";

/** The cause of the first decision that flattens an instrument in one version of a session. */
function flattenCauseOf({ sessionId, run, version, instrumentId }: FlattenPosition): string {
  return `flatten:${sessionId}:${run}:${version}:${instrumentId}`;
}

/**
 * Closes what a session that stops still holds, with reduce-only market orders sized from its book: one, or as many as the
 * venue's maximums ask for.
 *
 * It waits until all orders of the session have ended, since only then the book has all their fills; order-position-tracker
 * asks again. What is left is closed by further decisions. They wait while the venue refuses exits or halts the instrument,
 * and while the book lacks something; the session says so. Where risk denies it the session is reported as faulted, and a
 * person may stop it once more.
 */
export async function flattenPosition(tx: Tx, deps: DecideDeps, wanted: FlattenPosition): Promise<TaskOutcome> {
  const first = causeOf(wanted, deps.clock.stampMs());
  const context = await lockContext(tx, first, deps.clock.nowMs());
  const { session, budget } = context;
  if (session === null || budget === null || !isWanted(session, wanted)) return { decision: "not wanted any more" };
  if (budget.openOrders > 0) return { decision: "orders are under way", orders: budget.openOrders };
  const incomplete = whyIncomplete(context.gap, session.degraded);
  if (incomplete !== null) {
    const reason = `The position is not closed before it is known: ${incomplete} With the stop policy keep the session stops without that.`;
    reportWaits(tx, deps, session, reason);
    return { decision: "book incomplete" };
  }
  const decision = measure(wanted, context, { session, budget });
  if (decision === null) return { decision: "flat already" };
  const status = context.instrument?.status;
  if (status === "HALTED" || status === "GONE") {
    const what = status === "HALTED" ? "has halted" : "does not list";
    const reason = `The venue ${what} ${wanted.instrumentId}${status === "GONE" ? " any more" : ""}: the position is closed once it trades again. With the stop policy keep the session stops without that.`;
    reportWaits(tx, deps, session, reason);
    return { decision: "not trading" };
  }
  if (context.decided === "denied") {
    reportNotFlattened(tx, deps, session, "risk has denied it");
    return { decision: "failed" };
  }
  // The number of its first order is its own: no decision of this session has had it.
  const cause = context.decided === null ? first : { ...first, id: `${first.id}:${budget.nextOrderNumber}` };
  if (decision.kind === "denied") {
    reportNotFlattened(tx, deps, session, `${decision.code}: ${decision.reason}`);
    return deny(tx, deps, cause, decision);
  }
  const { refusedExit } = budget;
  if (refusedExit !== null && deps.clock.nowMs() < refusedExit.retryAtMs) {
    reportWaits(tx, deps, session, sayRefused(refusedExit));
    return { decision: "paused", untilMs: refusedExit.retryAtMs };
  }
  const marketAtMs = Math.max(wanted.marketAtMs, budget.marketAtMs);
  return approve(tx, deps, { cause, session, budget, decision, marketAtMs });
}

function isWanted(session: Session, { run, version }: FlattenPosition): boolean {
  const { state, stopPolicy } = session;
  return state === "STOPPING" && stopPolicy === "flatten" && session.run === run && session.version === version;
}

function causeOf(wanted: FlattenPosition, stampMs: number): Cause {
  const { sessionId, run, instrumentId, mark, marketAtMs } = wanted;
  const what = { sessionId, run, number: 0, instrumentId, marks: { [instrumentId]: mark } };
  return {
    ...what,
    id: flattenCauseOf(wanted),
    marketAtMs,
    validUntilMs: null,
    receivedAtMs: stampMs,
    createdAtMs: stampMs,
  };
}

/** Null: there is nothing that an order could close. */
function measure(
  wanted: FlattenPosition,
  { account, instrument }: DecisionContext,
  { session, budget }: { session: Session; budget: Budget },
): Approval | Denial | null {
  const mark = decimal(wanted.mark);
  const { book, reserved } = budget;
  const size = heldOf(book, wanted.instrumentId);
  if (instrument === null) {
    if (size.isZero()) return null;
    return { kind: "denied", code: "INSTRUMENT_NOT_TRADING", reason: "The instrument is not known." };
  }
  if (closableSize({ size, mark, instrument }) === null) return null;
  const refused = refuseByAccount(account, true);
  if (refused !== null) return { kind: "denied", ...refused };
  const intent = { kind: "exit", style: { type: "MARKET" } } as const;
  const refusals = budget.refusedExit?.times ?? 0;
  return decide({ intent, mark, policy: session.riskPolicy, instrument, book, reserved, refusals });
}

/** May be reported again until the session is FAULTED: then it changes nothing. */
function reportNotFlattened(tx: Tx, { bus, clock }: DecideDeps, session: Session, why: string): void {
  reportFaulted(tx, bus, { session, reason: `The position was not flattened: ${why}`, atMs: clock.nowMs() });
}

/** Only where the session does not say so yet. */
function reportWaits(tx: Tx, { bus, clock }: DecideDeps, session: Session, reason: string): void {
  if (session.stateReason === reason) return;
  reportWaiting(tx, bus, { session, until: "stopped", reason, atMs: clock.nowMs() });
}
