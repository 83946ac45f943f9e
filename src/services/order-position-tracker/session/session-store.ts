import type { Sql, Tx } from "#shared/db/db.ts";
import { missesSomethingSql } from "#shared/db/reference-rows.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import type { ExposedSession } from "#shared/http/clients.ts";

/** What of a session says whether somebody has to look after its position. */
export type WatchedSession = Pick<Session, "id" | "state" | "stateReason" | "accountId">;

/** The FAULTED sessions of an account that have a position and no alert about it. */
export async function readUntoldFaults({ sql }: { sql: Sql }, accountId: string): Promise<WatchedSession[]> {
  return await sql<WatchedSession[]>`
    select s.id, s.state, s.session ->> 'stateReason' as "stateReason", s.account_id as "accountId"
    from reference.sessions s
    where s.account_id = ${accountId} and s.state = 'FAULTED'
      and exists (select from order_position_tracker.positions p where p.session_id = s.id and p.size <> 0)
      and not exists (select from alerts.open a where a.scope = 'session:' || s.id and a.code = 'FAULTED_WITH_POSITION')
    order by s.id`;
}

/** A position with what its session's equity was last measured at. */
export interface MarkedPosition {
  sessionId: string;
  size: string;
  instrument: Instrument;
  /** The newest close of the equity; before the first the position's average entry. */
  mark: string;
  /** Market time of the position's last change or of that close, whichever is newer. */
  marketAtMs: number;
}

/** The positions of these sessions, also those that are zero. */
export async function readMarked({ sql }: { sql: Sql }, sessionIds: readonly string[]): Promise<MarkedPosition[]> {
  return await sql<MarkedPosition[]>`
    select p.session_id as "sessionId", p.size, i.instrument, coalesce(e.close, p.average_entry, 0) as mark,
      greatest(p.updated_at_ms, e.close_at_ms) as "marketAtMs"
    from order_position_tracker.positions p join reference.instruments i on i.id = p.instrument_id
    left join lateral (
      select close, close_at_ms from order_position_tracker.equity_points
      where session_id = p.session_id order by candle_n desc limit 1) e on true
    where p.session_id = any(${[...sessionIds]}::text[]) order by p.session_id, p.instrument_id`;
}

/** A session at work that runs with something missing, and has an open order or a position that is not zero. */
export type HoldingSession = Pick<ExposedSession, "sessionId" | "name" | "missing" | "openOrders">;

/** Those behind this id (empty: from the first), by their ids. Nothing in a session's row that cannot be read keeps one from the list. */
export async function readMissingHolders(
  { sql }: { sql: Sql },
  { after, limit }: { after: string; limit: number },
): Promise<HoldingSession[]> {
  return await sql<HoldingSession[]>`
    select id as "sessionId", coalesce(session ->> 'name', id) as name,
      jsonb_path_query_array(session, '$.degraded[*].code ? (@.type() == "string")') as missing, o.count as "openOrders"
    from reference.sessions s, lateral (
      select count(*)::int as count from order_position_tracker.orders o
      where o.account_id = s.account_id and o.session_id = s.id and o.is_open) o
    where id > ${after} and ${missesSomethingSql(sql)} and (o.count > 0 or exists (
      select from order_position_tracker.positions p where p.session_id = s.id and p.size <> 0))
    order by id limit ${limit}`;
}

/**
 * Begins a session's equity behind a candle. One that is measured already goes on. It is written without being waited for: where
 * that fails, the transaction does.
 */
export function beginEquity(
  { sql }: Tx,
  of: { session: Pick<Session, "id" | "timeFrame" | "createdAtMs">; instrument: Instrument; headN: number },
): Promise<unknown> {
  const { session, instrument, headN } = of;
  return sql`
    insert into order_position_tracker.equity_cursors as c
      (session_id, instrument_id, time_frame, quote, active, candle_n, candle_close_at_ms)
    values (${session.id}, ${instrument.id}, ${session.timeFrame}, ${instrument.quote}, true, ${headN}, ${session.createdAtMs})
    on conflict (session_id) do update
    set active = true, candle_n = case when c.active then c.candle_n else excluded.candle_n end`.execute();
}

/** A session's equity is measured no more. */
export async function endEquity({ sql }: Tx, sessionId: string): Promise<void> {
  await sql`update order_position_tracker.equity_cursors set active = false where session_id = ${sessionId}`;
}
