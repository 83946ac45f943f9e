import type { LedgerEntry } from "#services/order-position-tracker/money/ledger.ts";
import { NO_POSITION, type PositionJson, type PositionState, positionFromJson } from "#shared/accounting/position.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import { plain } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Position } from "#shared/domain/position.ts";
import { isTerminal, type TrackedOrder } from "#shared/orders/order-state.ts";

// What becomes of orders is read in one statement and written in one; their functions are in the migration.

/** How orders are looked for: by our client order ids, or by the venue's ids within instruments. */
export type OrderKeys = {
  accountId: string;
  clientOrderIds: string[];
  instrumentIds: string[];
  venueOrderIds: string[];
};

/** An execution as a venue tells it, of an instrument of ours. */
export type SaidFill = Pick<Fill, "instrumentId" | "tradeId" | "price" | "size" | "atMs">;

/** An answer to an order stamps its executions with its own time: by no more than this are they off. */
export const SAME_WITHIN_MS = 10_000;

/** What was booked of orders and their sessions, locked to the end of the transaction. */
export interface Books {
  orders: TrackedOrder[];
  position(sessionId: string, instrumentId: string): PositionState;
  /** The sessions with the alert FAULTED_WITH_POSITION. */
  faulted: ReadonlySet<string>;
  /** The instrument whose trade ids have begun anew; null: none's have. */
  anew: string | null;
}

interface BooksRow {
  orders: { order: Order; filledQuote: string; tradeIds: string[] }[];
  positions: (PositionJson & { sessionId: string; instrumentId: string })[];
  faulted: string[];
  anew: string | null;
}

/** What the functions take of executions. */
function told(fills: readonly SaidFill[]) {
  return fills.map(({ instrumentId, tradeId, price, size, atMs }) => ({ instrumentId, tradeId, price, size, atMs }));
}

/** Locks the orders with these keys and the money of their sessions, then reads them. `fills`: whether their ids have begun anew is looked at. */
export async function lockBooks({ sql }: Tx, keys: OrderKeys, fills: readonly SaidFill[]): Promise<Books> {
  const [row] = await sql<BooksRow[]>`
    select * from order_position_tracker.lock_books(${sql.json(keys)}, ${sql.json(told(fills))}, ${SAME_WITHIN_MS})`;
  const { orders = [], positions = [], faulted = [], anew = null } = row ?? {};
  return {
    orders: orders.map(({ tradeIds, ...rest }) => ({ ...rest, tradeIds: new Set(tradeIds) })),
    position(sessionId, instrumentId) {
      const found = positions.find((one) => one.sessionId === sessionId && one.instrumentId === instrumentId);
      return found === undefined ? NO_POSITION : positionFromJson(found);
    },
    faulted: new Set(faulted),
    anew,
  };
}

/** The instrument whose ids at the venue have begun anew by these executions; null: none's have. */
export async function beganAnew(
  { sql }: { sql: Sql },
  accountId: string,
  fills: readonly SaidFill[],
): Promise<string | null> {
  const [row] = await sql<{ anew: string | null }[]>`
    select order_position_tracker.began_anew(${accountId}, ${sql.json(told(fills))}, ${SAME_WITHIN_MS}) as anew`;
  return row?.anew ?? null;
}

/** What came of orders that are locked. An event, a fill and a position are as they are published. */
export interface Batch {
  /** Orders that are not there yet. */
  newOrders?: readonly Order[];
  /** Each order once. `filledQuote` null: as it was. */
  orders?: readonly { order: Order; filledQuote: string | null }[];
  events?: readonly { type: "order.changed" | "order.filled"; from: string | null; order: Order; fill?: Fill }[];
  fills?: readonly Fill[];
  /** Each position once. */
  positions?: readonly Position[];
  entries?: readonly (LedgerEntry & { sessionId: string; accountId: string; reference: string; atMs: number })[];
}

/**
 * Writes orders and what came of them in one statement. An entry of the ledger moves its balance; one that is there already moves
 * nothing. What was kept of a fill as unbookable goes. Sent at once, and need not be waited for: its failure is the transaction's.
 */
export function writeBooks({ sql }: Tx, atMs: number, batch: Batch): Promise<unknown> {
  const { newOrders, orders, entries, ...asTheyAre } = batch;
  const written = {
    ...asTheyAre,
    newOrders: newOrders?.map((order) => ({ order, isOpen: !isTerminal(order.state) })),
    orders: orders?.map(({ order, filledQuote }) => ({ order, filledQuote, isOpen: !isTerminal(order.state) })),
    entries: entries?.map((entry) => ({ ...entry, amount: plain(entry.amount) })),
  };
  const given = Object.fromEntries(Object.entries(written).filter(([, rows]) => rows !== undefined && rows.length > 0));
  return sql`select order_position_tracker.write_books(${sql.json({ atMs, ...given })})`.execute();
}
