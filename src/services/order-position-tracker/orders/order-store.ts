import type { OrderKeys } from "#services/order-position-tracker/record/book-store.ts";
import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { hasEndedUnheard } from "#shared/orders/order-state.ts";

/** Locks one order. Null: there is none yet. */
export async function lockOrder({ sql }: Tx, id: string): Promise<Order | null> {
  const rows = await sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where id = ${id} for update`;
  return rows[0]?.data ?? null;
}

/** Notes that the venue does not know an order any more. Gives since when it has not, in every answer. */
export async function noteMissing({ sql }: Tx, id: string, askedAtMs: number): Promise<number> {
  const rows = await sql<{ since_ms: number }[]>`
    update order_position_tracker.orders set missing_since_ms = coalesce(missing_since_ms, ${askedAtMs})
    where id = ${id} returning missing_since_ms as since_ms`;
  return rows[0]?.since_ms ?? askedAtMs;
}

/** The venue knows these orders (again). */
export async function noteKnown({ sql }: Tx, ids: readonly string[]): Promise<void> {
  await sql`
    update order_position_tracker.orders set missing_since_ms = null
    where id = any(${[...ids]}) and missing_since_ms is not null`;
}

/** Notes that a cancel of an order is asked for. False: it is closed, or was asked for before. */
export async function requestCancel({ sql }: Tx, id: string): Promise<boolean> {
  const rows = await sql`
    update order_position_tracker.orders set cancel_requested = true
    where id = ${id} and is_open and not cancel_requested returning 1`;
  return rows.length > 0;
}

/** A cancel that the venue has refused may be asked for again. */
export async function forgetCancelRequest({ sql }: Tx, id: string): Promise<void> {
  await sql`update order_position_tracker.orders set cancel_requested = false where id = ${id}`;
}

/** The orders of an account and instrument that are open here, and whether the venue knew nothing of them when it was last asked. */
export async function openOrdersOfInstrument(
  { sql }: Db,
  accountId: string,
  instrumentId: string,
): Promise<{ order: Order; isMissing: boolean }[]> {
  const rows = await sql<{ data: Order; is_missing: boolean }[]>`
    select data, missing_since_ms is not null as is_missing from order_position_tracker.orders
    where account_id = ${accountId} and is_open and instrument_id = ${instrumentId}`;
  return rows.map((row) => ({ order: row.data, isMissing: row.is_missing }));
}

/** An account's open orders, in the order of their ids. */
export async function openOrdersOfAccount({ sql }: { sql: Sql }, accountId: string): Promise<Order[]> {
  const rows = await sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where account_id = ${accountId} and is_open order by id`;
  return rows.map(({ data }) => data);
}

/** The same, locked to the end of the transaction. */
export async function lockOpenOrdersOfAccount({ sql }: Tx, accountId: string): Promise<Order[]> {
  const rows = await sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where account_id = ${accountId} and is_open order by id for update`;
  return rows.map(({ data }) => data);
}

/** A session's open orders by their ids, without a lock: each may be another one by the time it is looked at. */
export async function openOrdersOfSession(
  { sql }: { sql: Sql },
  { id, accountId }: Pick<Session, "id" | "accountId">,
): Promise<{ order: Order; cancelRequested: boolean }[]> {
  return await sql<{ order: Order; cancelRequested: boolean }[]>`
    select data as "order", cancel_requested as "cancelRequested" from order_position_tracker.orders
    where account_id = ${accountId} and session_id = ${id} and is_open order by id`;
}

/** How many of these ids are of orders that have a row. */
export async function countOrders({ sql }: { sql: Sql }, ids: readonly string[]): Promise<number> {
  const rows = await sql`select 1 from order_position_tracker.orders where id = any(${[...ids]})`;
  return rows.length;
}

/** How many orders of a session are open. */
export async function countOpenOrders({ sql }: { sql: Sql }, sessionId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from order_position_tracker.orders where session_id = ${sessionId} and is_open`;
  return row?.count ?? 0;
}

/** Whether an order of an account is open here. */
export async function anyOrderOpen({ sql }: Db, accountId: string): Promise<boolean> {
  const rows = await sql`
    select 1 from order_position_tracker.orders where account_id = ${accountId} and is_open limit 1`;
  return rows.length > 0;
}

/** Market time of the first decision whose order was sent, or may have been. Null: none was. */
export async function firstSentAtMs({ sql }: Db, accountId: string, instrumentId: string): Promise<number | null> {
  const rows = await sql<{ at_ms: number | null }[]>`
    select min((data ->> 'marketAtMs')::bigint) as at_ms from order_position_tracker.orders
    where account_id = ${accountId} and instrument_id = ${instrumentId} and (data ->> 'attempt')::integer > 0`;
  return rows[0]?.at_ms ?? null;
}

/** Our client order ids by the venue's ids of further orders of one intent, where they are among these. */
export async function secondOrders(
  { sql }: Db,
  of: { accountId: string; instrumentId: string; venueOrderIds: readonly string[] },
): Promise<Map<string, string>> {
  const rows = await sql<{ client_order_id: string; venue_order_id: string }[]>`
    select client_order_id, other as venue_order_id
    from order_position_tracker.orders, unnest(other_venue_order_ids) as other
    where account_id = ${of.accountId} and instrument_id = ${of.instrumentId}
      and other_venue_order_ids && ${[...of.venueOrderIds]}`;
  return new Map(rows.map((row) => [row.venue_order_id, row.client_order_id]));
}

/** Those of these client order ids whose orders have ended here by our own word alone: the venue may have them yet. */
export async function endedUnheard({ sql }: Db, accountId: string, clientOrderIds: string[]): Promise<Set<string>> {
  const rows = await sql<{ data: Order }[]>`
    select data from order_position_tracker.orders
    where account_id = ${accountId} and client_order_id = any(${clientOrderIds}) and not is_open`;
  return new Set(rows.filter(({ data }) => hasEndedUnheard(data)).map(({ data }) => data.clientOrderId));
}

/** Which of these are ids of our orders. */
export async function knownIds(
  { sql }: Db,
  { accountId, clientOrderIds, instrumentIds, venueOrderIds }: OrderKeys,
): Promise<{ client: Set<string>; venue: Set<string> }> {
  const rows = await sql<{ client_order_id: string; venue_order_id: string | null }[]>`
    select client_order_id, venue_order_id from order_position_tracker.orders
    where account_id = ${accountId} and (client_order_id = any(${clientOrderIds})
      or (instrument_id = any(${instrumentIds}) and venue_order_id = any(${venueOrderIds})))`;
  return {
    client: new Set(rows.map((row) => row.client_order_id)),
    venue: new Set(rows.map((row) => row.venue_order_id).filter((id) => id !== null)),
  };
}

/** Notes that the venue has made a further order of an intent. False: that was noted before. */
export async function noteSecondOrder({ sql }: Tx, id: string, venueOrderId: string): Promise<boolean> {
  const rows = await sql`
    update order_position_tracker.orders
    set other_venue_order_ids = array_append(other_venue_order_ids, ${venueOrderId})
    where id = ${id} and ${venueOrderId} <> all(other_venue_order_ids) returning 1`;
  return rows.length > 0;
}
