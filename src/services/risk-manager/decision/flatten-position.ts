import { holdStandingKill, isAbandoned } from "#services/risk-manager/kill/kill-store.ts";
import { type Budget, type Cause, type DecisionContext, lockContext } from "#services/risk-manager/store.ts";
import { heldOf } from "#shared/accounting/book.ts";
import { closableSize } from "#shared/accounting/flat.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Session } from "#shared/domain/session.ts";
import type { FlattenPosition } from "#shared/messages/tasks.ts";
import { flattenCauseOf, killCauseOf } from "#shared/orders/closing-cause.ts";
import type { TaskOutcome } from "#shared/queue/queue.ts";
import { refuseByAccount } from "#shared/risk/account-rule.ts";
import { whyIncomplete } from "#shared/risk/book-rule.ts";
import { type Approval, type Denial, decide } from "#shared/risk/decide.ts";
import { tellerOf } from "./flatten-teller.ts";
import { sayRefused } from "./refused-exit.ts";
import { approve, type DecideDeps, deny } from "./write-decision.ts";

/**
 * Closes what a session that stops, or is killed, still holds, with reduce-only market orders sized from its book: one, or as many as the
 * venue's maximums ask for.
 *
 * A stop that a kill has begun closes nothing once the kill is abandoned, also before session-manager has given it the policy keep; one
 * that a person asks for afterwards does.
 * It waits until all orders of the session have ended, since only then the book has all their fills; order-position-tracker
 * asks again. What is left is closed by further decisions. They wait while the venue refuses exits or halts the instrument,
 * and while the book lacks something; the session, or the kill, says so. Where risk denies it for a stop the session is reported
 * as faulted, and a person may stop it once more; for a kill it says why, and is asked again.
 */
export async function flattenPosition(tx: Tx, deps: DecideDeps, wanted: FlattenPosition): Promise<TaskOutcome> {
  const first = causeOf(wanted, deps.clock.stampMs());
  const context = await lockContext(tx, first, deps.clock.nowMs());
  const { session, budget } = context;
  if (session === null || budget === null || !(await isWanted(tx, session, wanted)))
    return { decision: "not wanted any more" };
  const tell = tellerOf(tx, deps, { session, killId: wanted.killId });
  if (wanted.killId === undefined && session.killId !== null && (await isAbandoned(tx, session.killId))) {
    tell.waits("The kill that has stopped it was abandoned: it keeps what it has.");
    return { decision: "kill abandoned" };
  }
  if (budget.openOrders > 0) return { decision: "orders are under way", orders: budget.openOrders };
  const incomplete = whyIncomplete(context.gap, session.degraded);
  if (incomplete !== null) {
    tell.waits(`The position is not closed before it is known: ${incomplete}`);
    return { decision: "book incomplete" };
  }
  const decision = measure(wanted, context, { session, budget });
  if (decision === null) return { decision: "flat already" };
  const status = context.instrument?.status;
  if (status === "HALTED" || status === "GONE") {
    const what = status === "HALTED" ? "has halted" : "does not list";
    const still = status === "GONE" ? " any more" : "";
    tell.waits(`The venue ${what} ${wanted.instrumentId}${still}: the position is closed once it trades again.`);
    return { decision: "not trading" };
  }
  if (context.decided === "denied") {
    tell.failed("risk has denied it");
    return { decision: "failed" };
  }
  // The number of its first order is its own: no decision of this session has had it.
  const cause = context.decided === null ? first : { ...first, id: `${first.id}:${budget.nextOrderNumber}` };
  if (decision.kind === "denied") {
    tell.failed(`${decision.code}: ${decision.reason}`);
    // A kill asks again: a denial that is kept would be the last word.
    return wanted.killId === undefined ? deny(tx, deps, cause, decision) : { decision: "denied", code: decision.code };
  }
  const { refusedExit } = budget;
  if (refusedExit !== null && deps.clock.nowMs() < refusedExit.retryAtMs) {
    tell.refused(sayRefused(refusedExit));
    return { decision: "paused", untilMs: refusedExit.retryAtMs };
  }
  tell.closes();
  const marketAtMs = Math.max(wanted.marketAtMs, budget.marketAtMs);
  return approve(tx, deps, { cause, session, budget, decision, marketAtMs });
}

async function isWanted(tx: Tx, session: Session, { run, version, killId }: FlattenPosition): Promise<boolean> {
  if (killId !== undefined) return holdStandingKill(tx, killId);
  const { state, stopPolicy } = session;
  return state === "STOPPING" && stopPolicy === "flatten" && session.run === run && session.version === version;
}

function causeOf(wanted: FlattenPosition, stampMs: number): Cause {
  const { sessionId, run, instrumentId, mark, marketAtMs, killId } = wanted;
  const what = { sessionId, run, number: 0, instrumentId, marks: { [instrumentId]: mark } };
  return {
    ...what,
    id: killId === undefined ? flattenCauseOf(wanted) : killCauseOf({ killId, sessionId, instrumentId }),
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
