import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { Order } from "#shared/domain/order.ts";
import type { UnreadableFill } from "#shared/exchange/exchange.ts";
import type { BookGap } from "#shared/risk/book-rule.ts";

/** An execution that the venue tells of and that could not be booked, as it was told. */
export interface Unbooked {
  accountId: string;
  instrumentId: string;
  tradeId: string;
  /** The venue's order that it is of, where that could be read. */
  venueOrderId: string | null;
  raw: string;
  reason: string;
  seenAtMs: number;
  /** Whose order it is of; null: that is not known. */
  sessionId: string | null;
  /** Why a person has decided that its session goes on without it. Null: nobody has. */
  discardReason: string | null;
}

/**
 * Keeps an execution that can not be booked, for the session of its order where that is known. `listed`: it is from the venue's
 * list. False: nothing is new, it is booked or was kept before. That the list has it too is new.
 */
export async function insertUnbooked(
  { sql }: Tx,
  of: { accountId: string; instrumentId: string; row: UnreadableFill; listed: boolean; atMs: number },
): Promise<boolean> {
  const { accountId, instrumentId, row, listed, atMs } = of;
  const { tradeId, venueOrderId, raw, reason } = row;
  const inserted = await sql`
    insert into order_position_tracker.unbooked as unbooked (account_id, instrument_id, trade_id, venue_order_id, listed, raw,
      reason, seen_at_ms, session_id)
    select ${accountId}, ${instrumentId}, ${tradeId}, ${venueOrderId}, ${listed}, ${raw}, ${reason}, ${atMs},
      (select session_id from order_position_tracker.orders where account_id = ${accountId}
        and instrument_id = ${instrumentId} and venue_order_id = ${venueOrderId} limit 1)
    where not exists (select from order_position_tracker.fills
      where account_id = ${accountId} and instrument_id = ${instrumentId} and trade_id = ${tradeId})
    on conflict (account_id, instrument_id, trade_id) do update set listed = true
    where excluded.listed and not unbooked.listed returning 1`;
  return inserted.length > 0;
}

/** An order with executions that wait to be booked. */
export interface WaitingOrder {
  instrumentId: string;
  venueOrderId: string;
  clientOrderId: string;
  tradeIds: string[];
}

/** The orders of an account with executions that wait to be booked, behind one of them. */
export async function waitingOrders(
  { sql }: { sql: Sql },
  accountId: string,
  { after, limit }: { after: Pick<WaitingOrder, "instrumentId" | "venueOrderId">; limit: number },
): Promise<WaitingOrder[]> {
  return await sql<WaitingOrder[]>`
    select u.instrument_id as "instrumentId", u.venue_order_id as "venueOrderId", o.client_order_id as "clientOrderId",
      array_agg(u.trade_id) as "tradeIds"
    from order_position_tracker.unbooked u
    join order_position_tracker.orders o on o.account_id = u.account_id and o.instrument_id = u.instrument_id
      and o.venue_order_id = u.venue_order_id
    where u.account_id = ${accountId} and u.session_id is not null and u.discard_reason is null
      and (u.instrument_id, u.venue_order_id) > (${after.instrumentId}, ${after.venueOrderId})
    group by 1, 2, 3 order by 1, 2 limit ${limit}`;
}

/** Whether the venue's list has executions of an order that can not be booked. They are noted as its session's. */
export async function claimUnbooked(
  { sql }: Tx,
  { sessionId, accountId, instrumentId }: Pick<Order, "sessionId" | "accountId" | "instrumentId">,
  venueOrderId: string,
): Promise<boolean> {
  const rows = await sql`
    update order_position_tracker.unbooked set session_id = ${sessionId}
    where account_id = ${accountId} and instrument_id = ${instrumentId} and venue_order_id = ${venueOrderId} and listed
      and trade_id not like 'era%' returning 1`;
  return rows.length > 0;
}

/**
 * Whether an execution that can not be booked may be an order's: it has come since the order was decided, and is of no other
 * order of ours. `listed`: rows that were read just now; those that were kept are asked for too, since a list is read from
 * its newest on.
 */
export async function mayBeUnbooked(
  { sql }: { sql: Sql },
  { id, accountId, instrumentId, decidedAtMs }: Pick<Order, "id" | "accountId" | "instrumentId" | "decidedAtMs">,
  listed: readonly UnreadableFill[],
): Promise<boolean> {
  const rows = await sql`
    with listed as (
      select * from unnest(${listed.map(({ tradeId }) => tradeId)}::text[],
        ${listed.map(({ venueOrderId }) => venueOrderId)}::text[]) as l (trade_id, venue_order_id)
    ), kept as (
      select trade_id, venue_order_id, seen_at_ms from order_position_tracker.unbooked
      where account_id = ${accountId} and instrument_id = ${instrumentId} and trade_id not like 'era%'
    ), since as (
      select venue_order_id from listed where not exists (select from kept where kept.trade_id = listed.trade_id)
      union all select venue_order_id from kept where seen_at_ms >= ${Math.floor(decidedAtMs)}
    )
    select 1 from since
    where not exists (select from order_position_tracker.orders o where o.account_id = ${accountId}
      and o.instrument_id = ${instrumentId} and o.venue_order_id = since.venue_order_id and o.id <> ${id})
    limit 1`;
  return rows.length > 0;
}

/** Those of an account, or all, newest first. */
export async function readUnbooked({ sql }: Db, accountId: string | undefined, limit: number): Promise<Unbooked[]> {
  return await sql<Unbooked[]>`
    select account_id as "accountId", instrument_id as "instrumentId", trade_id as "tradeId",
      venue_order_id as "venueOrderId", raw, reason, seen_at_ms as "seenAtMs", session_id as "sessionId", discard_reason as "discardReason"
    from order_position_tracker.unbooked
    where ${accountId === undefined ? sql`true` : sql`account_id = ${accountId}`}
    order by seen_at_ms desc, trade_id limit ${limit}`;
}

/** What the books of these sessions are known to lack first, by session; not of those that lack nothing. */
export async function readBookGaps(
  { sql }: { sql: Sql },
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, BookGap>> {
  const rows = await sql<{ session_id: string; gap: BookGap }[]>`
    select session_id, to_jsonb(b) as gap from reference.incomplete_books b where session_id = any(${[...sessionIds]})`;
  return new Map(rows.map((row) => [row.session_id, row.gap]));
}

/** A person's word that a session goes on without an execution. False: no such one is kept, or it was discarded before. */
export async function discardUnbooked(
  { sql }: { sql: Sql },
  of: { accountId: string; instrumentId: string; tradeId: string; reason: string },
): Promise<boolean> {
  const rows = await sql`
    update order_position_tracker.unbooked set discard_reason = ${of.reason}
    where account_id = ${of.accountId} and instrument_id = ${of.instrumentId} and trade_id = ${of.tradeId}
      and discard_reason is null returning 1`;
  return rows.length > 0;
}
