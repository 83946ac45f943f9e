import { raiseAlert } from "#shared/alerts/alerts.ts";
import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Order } from "#shared/domain/order.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { UnreadableFill } from "#shared/exchange/exchange.ts";
import type { Deps } from "#shared/service/service.ts";

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

/** Whether trying again can not help: something is wrong with what was said, not with who was asked to keep it. */
export function failsByContent(error: unknown): boolean {
  return !(error instanceof AppError) || error.kind === "permanent";
}

/**
 * Keeps an execution that can not be booked, once, and tells of it; what comes after it does not wait. `silent`: nobody is told.
 * From this commit on the session whose order it is of sends nothing (`refuseByBook`).
 */
export async function keepUnbooked(
  tx: Tx,
  deps: Pick<Deps, "bus" | "clock">,
  of: { accountId: string; instrument: Instrument; row: UnreadableFill; silent: boolean; listed: boolean },
): Promise<void> {
  const { accountId, instrument, row, silent, listed } = of;
  const { tradeId, venueOrderId, raw, reason } = row;
  const inserted = await tx.sql`
    insert into order_position_tracker.unbooked as unbooked (account_id, instrument_id, trade_id, venue_order_id, listed, raw,
      reason, seen_at_ms, session_id)
    select ${accountId}, ${instrument.id}, ${tradeId}, ${venueOrderId}, ${listed}, ${raw}, ${reason}, ${deps.clock.nowMs()},
      (select session_id from order_position_tracker.orders where account_id = ${accountId}
        and instrument_id = ${instrument.id} and venue_order_id = ${venueOrderId} limit 1)
    where not exists (select from order_position_tracker.fills
      where account_id = ${accountId} and instrument_id = ${instrument.id} and trade_id = ${tradeId})
    on conflict (account_id, instrument_id, trade_id) do update set listed = true
    where excluded.listed and not unbooked.listed returning 1`;
  if (inserted.length === 0 || silent) return;
  await raiseAlert(tx, deps, {
    scope: `account:${accountId}/${instrument.venueSymbol}`,
    code: "EXECUTION_NOT_BOOKED",
    text: `An execution of ${instrument.id} on the account ${accountId} could not be booked (${reason}). It is kept as the venue told it, under GET /unbooked; compare the position with the venue's.`,
    data: { accountId, instrumentId: instrument.id, tradeId },
  });
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
