import type { OrderRequest } from "./order.ts";
import type { Session } from "./session.ts";
import type { Signal } from "./signal.ts";

/** A session that trades, of an id of its own. */
export function sessionOf(more: Partial<Session> = {}): Session {
  const id = crypto.randomUUID();
  return {
    id,
    code: id.slice(0, 8),
    name: "a",
    strategy: "scripted",
    strategyVersion: "1",
    params: {},
    instrumentIds: ["SPX/USD.paper"],
    timeFrame: "1m",
    accountId: "demo",
    capital: "10000",
    riskPolicy: {
      sizing: { method: "percent-of-equity", percent: "95" },
      maxOrderNotional: null,
      maxPositionNotional: null,
      signalValidityMs: null,
      degradedEntries: "deny-stale",
    },
    stopPolicy: "keep",
    state: "RUNNING",
    stateReason: null,
    killId: null,
    degraded: [],
    run: 1,
    version: 1,
    partition: 0,
    createdAtMs: 1,
    updatedAtMs: 1,
    ...more,
  };
}

/** A session's first signal: it wants to buy at 100. */
export function signalOf(session: Session, more: Partial<Signal> = {}): Signal {
  const instrumentId = session.instrumentIds[0] ?? "";
  return {
    id: crypto.randomUUID(),
    sessionId: session.id,
    run: session.run,
    number: 1,
    instrumentId,
    intent: { kind: "enter", side: "BUY", style: { type: "MARKET" } },
    marks: { [instrumentId]: "100" },
    candleN: 1,
    marketAtMs: 1_000,
    validUntilMs: null,
    receivedAtMs: 1,
    createdAtMs: 1,
    ...more,
  };
}

/** An order of a session as risk made it: two at market. */
export function orderRequestOf(session: Session, number: number, more: Partial<OrderRequest> = {}): OrderRequest {
  return {
    id: crypto.randomUUID(),
    clientOrderId: `${session.code}-${number}`,
    sessionId: session.id,
    number,
    signalId: `${session.id}:${number}`,
    signalOrders: 1,
    accountId: session.accountId,
    instrumentId: session.instrumentIds[0] ?? "",
    side: "BUY",
    style: { type: "MARKET" },
    size: "2",
    reduceOnly: false,
    marketAtMs: 1,
    validUntilMs: null,
    receivedAtMs: 1,
    signalAtMs: 1,
    decidedAtMs: 1,
    ...more,
  };
}
