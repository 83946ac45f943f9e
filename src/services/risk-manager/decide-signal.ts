import type { Tx } from "#shared/db/db.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import { event, ORDERS, SIGNALS } from "#shared/messages/topics.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { orderIdOf } from "#shared/orders/order-id.ts";
import type { TaskOutcome } from "#shared/queue/queue.ts";
import { type Approval, type Denial, decide } from "#shared/risk/decide.ts";
import type { Deps } from "#shared/service/service.ts";
import { refuseSignal } from "./admission.ts";
import { type Budget, openBudget, readContext, writeApproval, writeDenial } from "./store.ts";

type DecideDeps = Pick<Deps, "bus" | "queue" | "clock" | "failpoints" | "log">;

/**
 * Decides a signal once: the decision, the reservation, the order and its task (or the denial) are all in this
 * transaction. A task that comes again finds the decision and does nothing.
 */
export async function decideSignal(tx: Tx, deps: DecideDeps, signal: Signal): Promise<TaskOutcome> {
  const context = await readContext(tx, signal);
  if (context.decided) return { decision: "already made" };
  const { session, instrument } = context;
  const budget = context.budget ?? (session === null ? null : await openBudget(tx, session, deps.clock.nowMs()));
  const marketAtMs = Math.max(signal.marketAtMs, budget?.marketAtMs ?? 0);
  const refusal = refuseSignal(signal, session, context.account, marketAtMs);
  if (refusal !== null || session === null || budget === null) {
    const { code, reason } = refusal ?? { code: "SESSION_NOT_TRADING", reason: "There is no such session." };
    return deny(tx, deps, signal, { kind: "denied", code, reason });
  }
  const decision = measure(signal, session, budget, instrument);
  if (decision.kind === "denied") return deny(tx, deps, signal, decision);
  return approve(tx, deps, { signal, session, budget, decision, marketAtMs });
}

function measure(signal: Signal, session: Session, budget: Budget, instrument: Instrument | null): Approval | Denial {
  const mark = signal.marks[signal.instrumentId];
  if (instrument === null || mark === undefined) {
    return { kind: "denied", code: "INSTRUMENT_NOT_TRADING", reason: "The instrument or its mark is not known." };
  }
  const { book, reserved } = budget;
  return decide({ intent: signal.intent, mark: decimal(mark), policy: session.riskPolicy, instrument, book, reserved });
}

async function deny(tx: Tx, deps: DecideDeps, signal: Signal, denial: Denial): Promise<TaskOutcome> {
  const { code, reason } = denial;
  const { id: signalId, sessionId } = signal;
  deps.bus.publish(tx, [
    event(SIGNALS, sessionId, "signal.denied", { signalId, sessionId, code, reason }, { causationId: signalId }),
  ]);
  await writeDenial(tx, signal, denial, deps.clock.nowMs());
  tx.afterCommit(() => deps.log.info({ sessionId, signalId, code }, "signal denied"));
  return { decision: "denied", code };
}

interface Approved {
  signal: Signal;
  session: Session;
  budget: Budget;
  decision: Approval;
  marketAtMs: number;
}

async function approve(tx: Tx, deps: DecideDeps, approved: Approved): Promise<TaskOutcome> {
  const { signal, session, budget, decision } = approved;
  const number = budget.nextOrderNumber;
  const order = requestOf(approved, number, deps.clock.stampMs());
  const links = { correlationId: signal.id, causationId: signal.id };
  const answer = { signalId: signal.id, sessionId: session.id, orderId: order.id };
  deps.bus.publish(tx, [
    event(ORDERS, session.id, "order.changed", { from: null, order: newOrder(order) }, links),
    event(SIGNALS, session.id, "signal.approved", answer, links),
  ]);
  await Promise.all([
    writeApproval(tx, { signal, order, reserve: decision.reserve, atMs: deps.clock.nowMs() }),
    deps.queue.enqueue(tx, {
      task: PLACE_ORDER,
      lane: order.id,
      payload: { order },
      priority: decision.reduceOnly ? 0 : 5,
    }),
  ]);
  deps.failpoints.hit("risk.decision-made", { order: number, sessionId: session.id });
  tx.afterCommit(() =>
    deps.log.info({ sessionId: session.id, signalId: signal.id, orderId: order.id }, "signal approved"),
  );
  return { decision: "approved", order: number, size: order.size };
}

function requestOf({ signal, session, decision, marketAtMs }: Approved, number: number, stampMs: number): OrderRequest {
  return {
    id: orderIdOf(signal.id),
    clientOrderId: `${session.code}-${number}`,
    sessionId: session.id,
    number,
    signalId: signal.id,
    accountId: session.accountId,
    instrumentId: signal.instrumentId,
    side: decision.side,
    style: decision.style,
    size: plain(decision.size),
    reduceOnly: decision.reduceOnly,
    marketAtMs,
    validUntilMs: signal.validUntilMs,
    receivedAtMs: signal.receivedAtMs,
    signalAtMs: signal.createdAtMs,
    decidedAtMs: stampMs,
  };
}
