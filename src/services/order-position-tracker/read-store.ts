import type { Db } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Position } from "#shared/domain/position.ts";
import type { ListOrder } from "#shared/http/paging.ts";

type SessionFilter = string | undefined;

/** Which page of a list: `after` is the key of the last row before, in this order. */
interface PageAsked<Key> {
  sessionId: SessionFilter;
  order: ListOrder;
  after: Key | null;
  limit: number;
}

/** When an order was made, its id. */
export type OrderKey = [createdAtMs: number, id: string];
/** Market time and trade id, which are a fill's alone only beside its account and instrument. */
export type FillKey = [atMs: number, tradeId: string, accountId: string, instrumentId: string];

/** Orders behind the cursor. */
export async function readOrders({ sql }: Db, { sessionId, order, after, limit }: PageAsked<OrderKey>) {
  const down = order === "desc";
  const key = after === null ? null : sql`(${after[0]}, ${after[1]})`;
  const rows = await sql<{ data: Order; created_at_ms: number }[]>`
    select data, created_at_ms from order_position_tracker.orders
    where true ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
      ${key === null ? sql`` : down ? sql`and (created_at_ms, id) < ${key}` : sql`and (created_at_ms, id) > ${key}`}
    order by ${down ? sql`created_at_ms desc, id desc` : sql`created_at_ms, id`} limit ${limit}`;
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

/** Fills behind the cursor. */
export async function readFills({ sql }: Db, { sessionId, order, after, limit }: PageAsked<FillKey>): Promise<Fill[]> {
  const down = order === "desc";
  const columns = sql`(at_ms, trade_id, account_id, instrument_id)`;
  const key = after === null ? null : sql`(${after[0]}, ${after[1]}, ${after[2]}, ${after[3]})`;
  const rows = await sql<Fill[]>`
    select trade_id as "tradeId", order_id as "orderId", session_id as "sessionId", account_id as "accountId",
      instrument_id as "instrumentId", side, price, size, fee, fee_asset as "feeAsset", maker, at_ms as "atMs"
    from order_position_tracker.fills
    where true ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
      ${key === null ? sql`` : down ? sql`and ${columns} < ${key}` : sql`and ${columns} > ${key}`}
    order by ${
      down
        ? sql`at_ms desc, trade_id desc, account_id desc, instrument_id desc`
        : sql`at_ms, trade_id, account_id, instrument_id`
    } limit ${limit}`;
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
