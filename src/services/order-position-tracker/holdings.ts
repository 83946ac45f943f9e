import { closableSize } from "#shared/accounting/flat.ts";
import type { Sql } from "#shared/db/db.ts";
import { decimal, normalize } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";

/** A position that an order could close. */
export interface Holding {
  instrument: Instrument;
  /** The newest close that the session's equity was measured at; before the first the position's average entry. */
  mark: string;
  /** Market time of the position's last change or of that close, whichever is newer. */
  marketAtMs: number;
}

/** The positions of a session that are not flat at their marks. */
export async function closableHoldings({ sql }: { sql: Sql }, sessionId: string): Promise<Holding[]> {
  const rows = await sql<{ size: string; mark: string; at_ms: number; instrument: Instrument }[]>`
    select p.size, i.instrument, coalesce(e.close, p.average_entry, 0) as mark,
      greatest(p.updated_at_ms, e.close_at_ms) as at_ms
    from order_position_tracker.positions p join reference.instruments i on i.id = p.instrument_id
    left join lateral (
      select close, close_at_ms from order_position_tracker.equity_points
      where session_id = p.session_id order by candle_n desc limit 1) e on true
    where p.session_id = ${sessionId} order by p.instrument_id`;
  return rows
    .filter(
      ({ size, mark, instrument }) => closableSize({ size: decimal(size), mark: decimal(mark), instrument }) !== null,
    )
    .map(({ instrument, mark, at_ms: marketAtMs }) => ({ instrument, mark: normalize(mark), marketAtMs }));
}
