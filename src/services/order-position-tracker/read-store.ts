import type { Db } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Position } from "#shared/domain/position.ts";

type SessionFilter = string | undefined;

/** Orders after the cursor (when they were made, id), oldest first. */
export async function readOrders({ sql }: Db, sessionId: SessionFilter, after: [number, string] | null, limit: number) {
  const [atMs, id] = after ?? [-1, ""];
  const rows = await sql<{ data: Order; created_at_ms: number }[]>`
    select data, created_at_ms from order_position_tracker.orders
    where (created_at_ms, id) > (${atMs}, ${id}) ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
    order by created_at_ms, id limit ${limit}`;
  return rows.map(({ data, created_at_ms }) => ({ order: data, createdAtMs: created_at_ms }));
}

/** One order. Null: there is none. */
export async function readOrder({ sql }: Db, id: string): Promise<Order | null> {
  const rows = await sql<{ data: Order }[]>`select data from order_position_tracker.orders where id = ${id}`;
  return rows[0]?.data ?? null;
}

/** A change of an order, as it was published. */
export interface OrderEventRow {
  version: number;
  type: string;
  atMs: number;
  data: unknown;
}

/** What has become of an order, oldest first. */
export async function readOrderEvents({ sql }: Db, orderId: string): Promise<OrderEventRow[]> {
  return await sql<OrderEventRow[]>`
    select version, type, at_ms as "atMs", data from order_position_tracker.order_events
    where order_id = ${orderId} order by version`;
}

/** Fills after the cursor (market time, trade id), oldest first. */
export async function readFills(
  { sql }: Db,
  sessionId: SessionFilter,
  after: [number, string] | null,
  limit: number,
): Promise<Fill[]> {
  const [atMs, tradeId] = after ?? [-1, ""];
  const rows = await sql<Fill[]>`
    select trade_id as "tradeId", order_id as "orderId", session_id as "sessionId", account_id as "accountId",
      instrument_id as "instrumentId", side, price, size, fee, fee_asset as "feeAsset", maker, at_ms as "atMs"
    from order_position_tracker.fills
    where (at_ms, trade_id) > (${atMs}, ${tradeId}) ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
    order by at_ms, trade_id limit ${limit}`;
  return rows.map((row) => ({
    ...row,
    price: normalize(row.price),
    size: normalize(row.size),
    fee: normalize(row.fee),
  }));
}

export async function readPositions(
  { sql }: Db,
  sessionId: SessionFilter,
  after: [string, string] | null,
  limit: number,
): Promise<Position[]> {
  const [session, instrument] = after ?? ["", ""];
  const rows = await sql<Position[]>`
    select session_id as "sessionId", account_id as "accountId", instrument_id as "instrumentId", size,
      average_entry as "averageEntry", realized_profit as "realizedProfit", fees, updated_at_ms as "updatedAtMs"
    from order_position_tracker.positions
    where (session_id, instrument_id) > (${session}, ${instrument})
      ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
    order by session_id, instrument_id limit ${limit}`;
  return rows.map((row) => ({
    ...row,
    size: normalize(row.size),
    averageEntry: row.averageEntry === null ? null : normalize(row.averageEntry),
    realizedProfit: normalize(row.realizedProfit),
  }));
}

/** Equity points of a session after a candle's number. */
export async function readEquity({ sql }: Db, sessionId: string, afterN: number, limit: number) {
  const rows = await sql<
    {
      sessionId: string;
      candleN: number;
      closeAtMs: number;
      equity: string;
      cash: string;
      position: string;
      close: string;
    }[]
  >`
    select session_id as "sessionId", candle_n as "candleN", close_at_ms as "closeAtMs", equity, cash, position, close
    from order_position_tracker.equity_points where session_id = ${sessionId} and candle_n > ${afterN}
    order by candle_n limit ${limit}`;
  return rows.map((row) => ({
    ...row,
    equity: normalize(row.equity),
    cash: normalize(row.cash),
    position: normalize(row.position),
    close: normalize(row.close),
  }));
}
