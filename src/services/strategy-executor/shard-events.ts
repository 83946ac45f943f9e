import type { Assets } from "#shared/accounting/book.ts";
import type { EventOf } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { ORDERS, SESSIONS, SIGNALS } from "#shared/messages/topics.ts";
import { isTerminal } from "#shared/orders/order-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { afterDenial, afterFill, afterOrder, type Holding } from "./session/holding.ts";
import type { Shard } from "./shard.ts";
import { beginRun, forgetRun, lockHoldings, writeHoldings } from "./store.ts";

/** One event of an order, of a fill, or of a decision that went against a signal. */
type HoldingEvent =
  | { kind: "order"; sessionId: string; order: Order; fill: Fill | null }
  | { kind: "denied"; sessionId: string; signalId: string };

/** What a shard follows. */
export const SHARD_TOPICS = [SESSIONS, ORDERS, SIGNALS] as const;
type ShardEvent = EventOf<(typeof SHARD_TOPICS)[number]>;

/** Whether an event changes what a session is or holds. Of an order on its way only its fills and its end do. */
export function concernsShard({ topic, type, data }: ShardEvent): boolean {
  if (topic === SIGNALS.name) return type === "signal.denied";
  return type !== "order.changed" || isTerminal(data.order.state);
}

/**
 * The events of a shard, in the bus' transaction. Changes of sessions begin and end runs; events of orders and denials
 * change what sessions hold. Memory is changed after the commit.
 */
export async function takeEvents(deps: Deps, tx: Tx, events: readonly ShardEvent[], shard: Shard): Promise<void> {
  for (const { type, data } of events) {
    if (type === "session.changed") await takeSession(deps, tx, data.session, shard);
  }
  await takeHoldings(tx, events.flatMap(holdingEvent), shard);
}

async function takeSession(deps: Deps, tx: Tx, session: Session, shard: Shard): Promise<void> {
  if (session.state === "STARTING") await beginRun(tx, session, deps.clock.nowMs());
  if (session.state === "DELETED") await forgetRun(tx, session.id);
  tx.afterCommit(() => shard.applySession(session));
}

async function takeHoldings(tx: Tx, events: readonly HoldingEvent[], shard: Shard): Promise<void> {
  if (events.length === 0) return;
  const sessionIds = new Set(events.map(({ sessionId }) => sessionId));
  const { held, assets } = await lockHoldings(tx, [...sessionIds], [...new Set(events.flatMap(instrumentOf))]);
  const cleared = new Set<string>();
  const changed = new Map<string, Holding>();
  for (const event of events) {
    const before = changed.get(event.sessionId) ?? held.get(event.sessionId);
    // Of an order that no session of ours made.
    if (before === undefined) continue;
    const next = after(before, event, assets);
    changed.set(event.sessionId, next);
    if (before.pendingSignal !== null && next.pendingSignal === null) cleared.add(before.pendingSignal);
  }
  if (changed.size > 0) writeHoldings(tx, changed);
  tx.afterCommit(() => {
    for (const [id, holding] of changed) shard.applyHolding(id, holding, cleared);
  });
}

/** The instrument that an event needs, if any. */
function instrumentOf(event: HoldingEvent): string[] {
  return event.kind === "order" && event.fill !== null ? [event.fill.instrumentId] : [];
}

function after(before: Holding, event: HoldingEvent, assets: ReadonlyMap<string, Assets>): Holding {
  if (event.kind === "denied") return afterDenial(before, event.signalId);
  const holding = afterOrder(before, event.order);
  if (event.fill === null) return holding;
  const instrument = assets.get(event.fill.instrumentId);
  if (instrument !== undefined) return afterFill(holding, event.fill, instrument);
  throw new AppError("NOT_FOUND", "transient", `The instrument ${event.fill.instrumentId} is not known.`);
}

function holdingEvent({ type, data, key: sessionId }: ShardEvent): HoldingEvent[] {
  switch (type) {
    case "signal.denied":
      return [{ kind: "denied", sessionId, signalId: data.signalId }];
    case "order.filled":
      return [{ kind: "order", sessionId, order: data.order, fill: data.fill }];
    case "order.changed":
      return [{ kind: "order", sessionId, order: data.order, fill: null }];
    case "session.changed":
    case "signal.created":
    case "signal.approved":
      return [];
  }
}
