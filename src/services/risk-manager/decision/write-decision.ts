import {
  type Budget,
  type Cause,
  type ReservedOrder,
  writeApproval,
  writeDenial,
} from "#services/risk-manager/store.ts";
import type { Tx } from "#shared/db/db.ts";
import { plain, ZERO } from "#shared/domain/decimal.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import { event, ORDERS, SESSION_REPORTS, SIGNALS } from "#shared/messages/topics.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { orderIdOf } from "#shared/orders/order-id.ts";
import type { TaskOutcome } from "#shared/queue/queue.ts";
import type { Approval, Denial } from "#shared/risk/decide.ts";
import type { Deps } from "#shared/service/service.ts";

/** What a decision needs beside its transaction. */
export type DecideDeps = Pick<Deps, "bus" | "queue" | "clock" | "failpoints" | "log"> & {
  exchanges: Pick<Exchanges, "marketNowMs">;
};

/** Writes a denial with its event: no order is made. */
export function deny(tx: Tx, deps: DecideDeps, cause: Cause, denial: Denial): TaskOutcome {
  const { code, reason } = denial;
  const { id: signalId, sessionId, run } = cause;
  const denied = { signalId, sessionId, run, code, reason };
  const atMs = deps.clock.nowMs();
  const links = { causationId: signalId };
  deps.bus.publish(tx, [
    event(SIGNALS, sessionId, "signal.denied", denied, links),
    event(SESSION_REPORTS, sessionId, "report.denied", { sessionId, run, atMs, code, reason }, links),
  ]);
  writeDenial(tx, cause, denial, atMs);
  tx.afterCommit(() => deps.log.info({ sessionId, signalId, code }, "signal denied"));
  return { decision: "denied", code };
}

/** A decision that orders follow from. `marketAtMs` is the newest market time that it knew. */
export interface Approved {
  cause: Cause;
  session: Session;
  budget: Budget;
  decision: Approval;
  marketAtMs: number;
}

/** Writes an approval: decision, reservations, orders and their tasks. No statement is waited for: they travel with the commit. */
export function approve(tx: Tx, deps: DecideDeps, approved: Approved): TaskOutcome {
  const { cause, session, budget, decision } = approved;
  const number = budget.nextOrderNumber;
  const orders = requestsOf(approved, deps.clock.stampMs());
  const orderIds = orders.map(({ order }) => order.id);
  const links = { correlationId: cause.id, causationId: cause.id };
  const answer = { signalId: cause.id, sessionId: session.id, orderIds };
  deps.bus.publish(tx, [
    ...orders.map(({ order }) =>
      event(ORDERS, session.id, "order.changed", { from: null, order: newOrder(order) }, links),
    ),
    event(SIGNALS, session.id, "signal.approved", answer, links),
  ]);
  writeApproval(tx, cause, orders, deps.clock.nowMs());
  const priority = decision.reduceOnly ? 0 : 5;
  for (const { order } of orders) {
    void deps.queue.enqueue(tx, { task: PLACE_ORDER, lane: order.id, payload: { order }, priority });
  }
  deps.failpoints.hit("risk.decision-made", { order: number, sessionId: session.id });
  tx.afterCommit(() => deps.log.info({ sessionId: session.id, signalId: cause.id, orderIds }, "signal approved"));
  const size = plain(decision.orders.reduce((sum, order) => sum.plus(order.size), ZERO));
  return { decision: "approved", order: number, orders: orders.length, size };
}

function requestsOf({ cause, session, budget, decision, marketAtMs }: Approved, stampMs: number): ReservedOrder[] {
  return decision.orders.map(({ size, reserve }, index) => {
    const number = budget.nextOrderNumber + index;
    const order: OrderRequest = {
      id: orderIdOf(cause.id, index),
      clientOrderId: `${session.code}-${number}`,
      sessionId: session.id,
      number,
      signalId: cause.id,
      signalOrders: decision.orders.length,
      accountId: session.accountId,
      instrumentId: cause.instrumentId,
      side: decision.side,
      style: decision.style,
      size: plain(size),
      reduceOnly: decision.reduceOnly,
      marketAtMs,
      validUntilMs: cause.validUntilMs,
      receivedAtMs: cause.receivedAtMs,
      signalAtMs: cause.createdAtMs,
      decidedAtMs: stampMs,
    };
    return { order, reserve };
  });
}
