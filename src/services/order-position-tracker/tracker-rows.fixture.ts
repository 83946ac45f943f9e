import { until } from "#shared/clock/until.fixture.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { orderRequestOf } from "#shared/domain/domain.fixture.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import { orderIdOf } from "#shared/orders/order-id.ts";
import { type Desk, deskSession, tellSession, type World } from "./tracker.fixture.ts";

/** A connector with some of its functions replaced. */
export function changed(account: VenueAccount, instead: Partial<VenueAccount>): VenueAccount {
  return new Proxy(account, {
    get(target, name: keyof VenueAccount) {
      const part = instead[name] ?? target[name];
      return typeof part === "function" ? part.bind(target) : part;
    },
  });
}

/** A session that has been started by the tracker and runs. */
export async function runSession(world: World, desk: Desk, more: Partial<Session> = {}): Promise<Session> {
  const session = deskSession(desk, more);
  await tellSession(world, desk, session);
  await until(async () => (await reportsOf(world, session)).includes("report.reconciled"));
  return changeSession(world, desk, session, { state: "RUNNING" });
}

export async function changeSession(
  world: World,
  desk: Desk,
  session: Session,
  change: Partial<Session>,
): Promise<Session> {
  const changed = { ...session, ...change, version: session.version + 1 };
  await tellSession(world, desk, changed);
  return changed;
}

/** The types of a topic's events of a session, in order. */
async function eventsOf({ database }: World, topic: string, key: string) {
  return database.db.sql<{ type: string; envelope: { data: Record<string, unknown> } }[]>`
    select type, envelope from bus.log where topic = ${topic} and key = ${key} order by seq`;
}

export async function reportsOf(world: World, session: Session): Promise<string[]> {
  return (await eventsOf(world, "session-reports", session.id)).map(({ type }) => type);
}

/** The reason that the last report of this type gave. */
export async function reportedReason(world: World, session: Session, of = "report.faulted"): Promise<unknown> {
  const reports = await eventsOf(world, "session-reports", session.id);
  return reports.findLast(({ type }) => type === of)?.envelope.data["reason"];
}

/** The codes of the alerts about a session or an account, in order; one that was ended stands with a minus. */
export async function alertsAbout({ database }: World, id: string): Promise<string[]> {
  const rows = await database.db.sql<{ type: string; code: string }[]>`
    select type, envelope -> 'data' ->> 'code' as code from bus.log
    where topic = 'alerts' and key in (
      select key from bus.log where topic = 'alerts' and type = 'alert.raised'
        and ${id} in (envelope -> 'data' -> 'data' ->> 'accountId', envelope -> 'data' -> 'data' ->> 'sessionId'))
    order by (envelope -> 'data' ->> 'atMs')::bigint, part, seq`;
  return rows.map(({ type, code }) => (type === "alert.cleared" ? `-${code}` : code));
}

/** The order that risk makes of a session's signal of this number, the same at each call. */
export function requestOf(session: Session, number: number, more: Partial<OrderRequest> = {}): OrderRequest {
  return orderRequestOf(session, number, { id: orderIdOf(`${session.id}:${number}`), ...more });
}

/** Hands an order over as risk does. */
export async function place({ database }: World, { queue }: Desk, order: OrderRequest): Promise<OrderRequest> {
  const priority = order.reduceOnly ? 0 : 5;
  await database.db.transaction((tx) =>
    queue.enqueue(tx, { task: PLACE_ORDER, lane: order.id, payload: { order }, priority }),
  );
  return order;
}

export async function orderRow({ database }: World, id: string): Promise<Order | null> {
  const rows = await database.db.sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where id = ${id}`;
  return rows[0]?.data ?? null;
}

/** Awaits an order's state; gives the order. */
export function inState(world: World, { id }: { id: string }, state: Order["state"]): Promise<Order> {
  return until(async () => {
    const order = await orderRow(world, id);
    return order?.state === state ? order : null;
  });
}

/** The states an order went through. */
export async function statesOf({ database }: World, { id }: { id: string }): Promise<string[]> {
  const rows = await database.db.sql<{ state: string }[]>`
    select data -> 'order' ->> 'state' as state from order_position_tracker.order_events
    where order_id = ${id} order by version`;
  return rows.map(({ state }) => state);
}

export async function openTasks({ database }: World, lane: string): Promise<number> {
  const rows = await database.db.sql`select 1 from queue.tasks where lane = ${lane} and state = 'open'`;
  return rows.length;
}

/** What a session owns by its balances and, beside it, by the sum of its ledger. */
export async function moneyOf({ database }: World, session: Session): Promise<Record<string, [string, string]>> {
  const rows = await database.db.sql<{ asset: string; amount: string; booked: string }[]>`
    select b.asset, b.amount, (select sum(l.amount) from order_position_tracker.ledger l
      where l.session_id = b.session_id and l.asset = b.asset) as booked
    from order_position_tracker.balances b where b.session_id = ${session.id} order by b.asset`;
  return Object.fromEntries(
    rows.map(({ asset, amount, booked }) => [asset, [normalize(amount), normalize(booked)] as [string, string]]),
  );
}

/** The venue's own balances, free and locked together, in the form of `moneyOf`. */
export async function venueMoney(desk: Desk): Promise<Record<string, [string, string]>> {
  const balances = await desk.outside.balances();
  return Object.fromEntries(
    balances
      .map(({ asset, free }): [string, [string, string]] => [asset, [normalize(free), normalize(free)]])
      .toSorted(([one], [other]) => one.localeCompare(other)),
  );
}

export async function fillRows({ database }: World, { id }: { id: string }) {
  return database.db.sql<{ trade_id: string }[]>`
    select trade_id from order_position_tracker.fills where order_id = ${id}`;
}

/** An order that rests at the venue: far below its market. */
export const LIMIT = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;

/** Settings of a tracker that compares with the venue all the time. */
export const OFTEN = {
  R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS: "100",
  R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: "100",
};
