import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { hasEndedUnheard, isTerminal, type TrackedOrder } from "#shared/orders/order-state.ts";

/** How orders are looked for: by our client order ids, or by the venue's ids within instruments. */
export interface OrderKeys {
  accountId: string;
  clientOrderIds: string[];
  instrumentIds: string[];
  venueOrderIds: string[];
}

interface OrderRow {
  id: string;
  data: Order;
  filled_quote: string;
}

/** Locks the orders with these keys, in order of their ids, and reads which trades are in them already. */
export async function lockOrders(tx: Tx, keys: OrderKeys): Promise<TrackedOrder[]> {
  const { sql } = tx;
  const [rows, trades] = await Promise.all([
    sql<OrderRow[]>`
      select id, data, filled_quote from order_position_tracker.orders where ${matching(sql, keys)} order by id for update`,
    sql<{ order_id: string; trade_id: string }[]>`
      select order_id, trade_id from order_position_tracker.fills
      where order_id in (select id from order_position_tracker.orders where ${matching(sql, keys)})`,
  ]);
  return rows.map(({ id, data, filled_quote: filledQuote }) => ({
    order: data,
    filledQuote,
    // What was booked of an order before a new era of ids began is told again by the venue's list, under its bare id.
    tradeIds: new Set(trades.filter((one) => one.order_id === id).map((one) => one.trade_id.replace(/^era\d+:/, ""))),
  }));
}

/** The condition that `lockOrders` looks with, for statements that follow it in the transaction. */
export function matching(sql: Sql, { accountId, clientOrderIds, instrumentIds, venueOrderIds }: OrderKeys) {
  return sql`account_id = ${accountId} and (client_order_id = any(${clientOrderIds})
    or (instrument_id = any(${instrumentIds}) and venue_order_id = any(${venueOrderIds})))`;
}

/** Locks one order. Null: there is none yet. */
export async function lockOrder({ sql }: Tx, id: string): Promise<Order | null> {
  const rows = await sql<{ data: Order }[]>`
    select data from order_position_tracker.orders where id = ${id} for update`;
  return rows[0]?.data ?? null;
}

/** Sent at once; need not be waited for. */
export function insertOrder({ sql }: Tx, order: Order, atMs: number): Promise<unknown> {
  return sql`
    insert into order_position_tracker.orders (id, client_order_id, session_id, account_id, instrument_id, number, state,
      is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    values (${order.id}, ${order.clientOrderId}, ${order.sessionId}, ${order.accountId}, ${order.instrumentId},
      ${order.number}, ${order.state}, ${!isTerminal(order.state)}, ${order.side}, ${order.size}, 0, 0, ${order.version},
      ${sql.json(order)}, ${atMs}, ${atMs})`.execute();
}

/** Writes an order that is locked. Sent at once; need not be waited for. */
export function updateOrder({ sql }: Tx, order: Order, filledQuote: string | null, atMs: number): Promise<unknown> {
  return sql`
    update order_position_tracker.orders
    set state = ${order.state}, is_open = ${!isTerminal(order.state)}, venue_order_id = ${order.venueOrderId},
      filled_size = ${order.filledSize}, filled_quote = coalesce(${filledQuote}::numeric, filled_quote),
      version = ${order.version}, data = ${sql.json(order)}, missing_since_ms = null, updated_at_ms = ${atMs}
    where id = ${order.id}`.execute();
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

/** Keeps a change of an order as it was published. Sent at once; need not be waited for. */
export function insertOrderEvent(
  { sql }: Tx,
  change: { order: Order; type: "order.changed" | "order.filled"; from: string | null; fill?: Fill; atMs: number },
): Promise<unknown> {
  const { order, type, from, fill, atMs } = change;
  const data = { from, order, ...(fill === undefined ? {} : { fill }) };
  return sql`
    insert into order_position_tracker.order_events (order_id, version, type, data, at_ms)
    values (${order.id}, ${order.version}, ${type}, ${sql.json(data)}, ${atMs})`.execute();
}

/** Writes a fill; what was kept of it as unbookable goes. */
export async function insertFill({ sql }: Tx, fill: Fill, atMs: number): Promise<void> {
  await sql`
    with booked as (delete from order_position_tracker.unbooked where account_id = ${fill.accountId}
      and instrument_id = ${fill.instrumentId} and trade_id = ${fill.tradeId})
    insert into order_position_tracker.fills (account_id, instrument_id, trade_id, order_id, session_id, side, price, size,
      fee, fee_asset, maker, at_ms, seen_at_ms)
    values (${fill.accountId}, ${fill.instrumentId}, ${fill.tradeId}, ${fill.orderId}, ${fill.sessionId}, ${fill.side},
      ${fill.price}, ${fill.size}, ${fill.fee}, ${fill.feeAsset}, ${fill.maker}, ${fill.atMs}, ${atMs})`;
}

/** The orders of an account and instrument that are open here, and whether the venue knew nothing of them when it was last asked. */
export async function openOrders(
  { sql }: Db,
  accountId: string,
  instrumentId: string,
): Promise<{ order: Order; isMissing: boolean }[]> {
  const rows = await sql<{ data: Order; is_missing: boolean }[]>`
    select data, missing_since_ms is not null as is_missing from order_position_tracker.orders
    where account_id = ${accountId} and is_open and instrument_id = ${instrumentId}`;
  return rows.map((row) => ({ order: row.data, isMissing: row.is_missing }));
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
export async function knownIds({ sql }: Db, keys: OrderKeys): Promise<{ client: Set<string>; venue: Set<string> }> {
  const rows = await sql<{ client_order_id: string; venue_order_id: string | null }[]>`
    select client_order_id, venue_order_id from order_position_tracker.orders where ${matching(sql, keys)}`;
  return {
    client: new Set(rows.map((row) => row.client_order_id)),
    venue: new Set(rows.map((row) => row.venue_order_id).filter((id) => id !== null)),
  };
}
