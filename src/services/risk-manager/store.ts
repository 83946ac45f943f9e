import { type Book, type BookJson, bookFromJson, bookToJson, createBook } from "#shared/accounting/book.ts";
import type { Tx } from "#shared/db/db.ts";
import type { TradingState } from "#shared/domain/account.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { ORDERS } from "#shared/messages/topics.ts";
import type { BookGap } from "#shared/risk/book-rule.ts";
import type { ApprovedOrder, Denial } from "#shared/risk/decide.ts";
import type { RefusedExit } from "./refused-exit.ts";

/** Who keeps the books by the orders' events. */
export const GROUP = "risk-manager";

/** What a decision is made for: a strategy's signal, or the stop of a session (number 0). */
export type Cause = Pick<
  Signal,
  | "id"
  | "sessionId"
  | "run"
  | "number"
  | "instrumentId"
  | "marks"
  | "marketAtMs"
  | "validUntilMs"
  | "receivedAtMs"
  | "createdAtMs"
>;

/** What a session may still take, with its row locked. */
export interface Budget {
  book: Book;
  reserved: { quote: Decimal; base: Decimal };
  /**
   * How many of its orders have not ended yet, as far as their events are known here, and how many of these events are parked
   * or dead. None: the book has all fills.
   */
  openOrders: number;
  nextOrderNumber: number;
  /** The newest moment of market time that was seen for the session. */
  marketAtMs: number;
  refusedExit: RefusedExit | null;
}

export interface DecisionContext {
  /** What was decided before for the same cause. Null: nothing. */
  decided: "approved" | "denied" | null;
  session: Session | null;
  /** What the session's book is known to lack. Null: nothing. */
  gap: BookGap | null;
  /** Null: no such account is known. */
  account: TradingState | null;
  instrument: Instrument | null;
  budget: Budget | null;
}

interface BudgetRow {
  capital: string;
  book: BookJson;
  next_order_number: number;
  market_at_ms: number;
  refused_exit: RefusedExit | null;
}

/**
 * All that a decision is made from, in one round trip and in lock order: the session is locked against changes of its
 * state, its budget against other decisions. The sum of the reservations is read after the budget is locked.
 */
export async function readContext(
  tx: Tx,
  { id, sessionId, instrumentId }: Pick<Cause, "id" | "sessionId" | "instrumentId">,
): Promise<DecisionContext> {
  const { sql } = tx;
  const [decisions, sessions, accounts, instruments, budgets, orders] = await Promise.all([
    sql<{ kind: "approved" | "denied" }[]>`
      select kind from risk_manager.decisions where signal_id = ${id} and order_index = 0`,
    sql<{ session: Session; gap: BookGap | null }[]>`
      select session, (select to_jsonb(b) from reference.incomplete_books b where b.session_id = ${sessionId}) as gap
      from reference.sessions where id = ${sessionId} for share`,
    sql<{ trading_state: TradingState }[]>`
      select trading_state from reference.accounts
      where id = (select account_id from reference.sessions where id = ${sessionId}) for share`,
    sql<{ instrument: Instrument }[]>`select instrument from reference.instruments where id = ${instrumentId}`,
    sql<BudgetRow[]>`
      select capital, book, next_order_number, market_at_ms, refused_exit
      from risk_manager.budgets where session_id = ${sessionId} for update`,
    selectOpenOrders(tx, sessionId),
  ]);
  const session = sessions[0]?.session ?? null;
  const row = budgets[0];
  return {
    decided: decisions[0]?.kind ?? null,
    session,
    gap: sessions[0]?.gap ?? null,
    account: accounts[0]?.trading_state ?? null,
    instrument: instruments[0]?.instrument ?? null,
    budget: row === undefined ? null : await readBudget(tx, row, session, readOpenOrders(orders)),
  };
}

/** What the orders of a session that have not ended may still take. */
interface OpenOrdersRow {
  quote: string;
  base: string;
  open: number;
}

/** A query, not yet sent: behind the statement that locks the budget, in the same round trip. An async function would overtake it. */
function selectOpenOrders({ sql }: Tx, sessionId: string) {
  return sql<OpenOrdersRow[]>`
    select coalesce(sum(size_left * quote_per_unit), 0) as quote, coalesce(sum(size_left * base_per_unit), 0) as base,
      (count(*) + (select count(*) from bus.parked
        where group_name = ${GROUP} and topic = ${ORDERS.name} and key = ${sessionId}))::integer as open
    from risk_manager.reservations where session_id = ${sessionId}`;
}

function readOpenOrders(rows: readonly OpenOrdersRow[]): Pick<Budget, "reserved" | "openOrders"> {
  const { quote = "0", base = "0", open = 0 } = rows[0] ?? {};
  return { reserved: { quote: decimal(quote), base: decimal(base) }, openOrders: open };
}

/** A capital that was changed between two runs is paid in or out of the book it keeps. */
async function readBudget(
  { sql }: Tx,
  row: BudgetRow,
  session: Session | null,
  orders: Pick<Budget, "reserved" | "openOrders">,
): Promise<Budget> {
  let book = bookFromJson(row.book);
  const paidIn = session === null ? ZERO : decimal(session.capital).minus(row.capital);
  if (session !== null && !paidIn.isZero()) {
    book = { ...book, cash: book.cash.plus(paidIn) };
    await sql`update risk_manager.budgets set capital = ${session.capital}, book = ${sql.json(bookToJson(book))}
      where session_id = ${session.id}`;
  }
  return { book, ...orders, ...restOf(row) };
}

/** Opens the budget of a session with its capital; when another decision was quicker, its row is read and locked. */
export async function openBudget(tx: Tx, session: Session, atMs: number): Promise<Budget> {
  const { sql } = tx;
  const book = bookToJson(createBook(decimal(session.capital)));
  const [, rows, orders] = await Promise.all([
    sql`
      insert into risk_manager.budgets (session_id, account_id, capital, book, updated_at_ms)
      values (${session.id}, ${session.accountId}, ${session.capital}, ${sql.json(book)}, ${atMs})
      on conflict do nothing`,
    sql<BudgetRow[]>`
      select capital, book, next_order_number, market_at_ms, refused_exit
      from risk_manager.budgets where session_id = ${session.id} for update`,
    selectOpenOrders(tx, session.id),
  ]);
  const row = rows[0];
  if (row === undefined) throw new RangeError("A budget that was just written is not there.");
  return { book: bookFromJson(row.book), ...readOpenOrders(orders), ...restOf(row) };
}

function restOf(row: BudgetRow): Pick<Budget, "nextOrderNumber" | "marketAtMs" | "refusedExit"> {
  return { nextOrderNumber: row.next_order_number, marketAtMs: row.market_at_ms, refusedExit: row.refused_exit };
}

/** An order with what it may take. */
export interface ReservedOrder {
  order: OrderRequest;
  reserve: ApprovedOrder["reserve"];
}

/** Writes an approval with its reservations and uses up the orders' numbers. Not to be waited for: it travels with the commit. */
export function writeApproval({ sql }: Tx, cause: Cause, orders: readonly ReservedOrder[], atMs: number): void {
  const mark = cause.marks[cause.instrumentId] ?? null;
  for (const [index, { order, reserve }] of orders.entries()) {
    const size = decimal(order.size);
    void sql`
      insert into risk_manager.decisions (signal_id, order_index, session_id, run, signal_number, kind, order_id,
        order_number, side, size, mark, market_at_ms, decided_at_ms)
      values (${cause.id}, ${index}, ${cause.sessionId}, ${cause.run}, ${cause.number}, 'approved', ${order.id},
        ${order.number}, ${order.side}, ${order.size}, ${mark}, ${order.marketAtMs}, ${atMs})`.execute();
    void sql`
      insert into risk_manager.reservations (order_id, session_id, size_left, quote_per_unit, base_per_unit,
        created_at_ms)
      values (${order.id}, ${order.sessionId}, ${order.size}, ${plain(reserve.quote.div(size))},
        ${plain(reserve.base.div(size))}, ${atMs})`.execute();
  }
  const last = orders.at(-1)?.order;
  if (last === undefined) throw new RangeError("An approval has an order.");
  void sql`
    update risk_manager.budgets
    set next_order_number = ${last.number + 1}, market_at_ms = ${last.marketAtMs}, updated_at_ms = ${atMs}
    where session_id = ${last.sessionId}`.execute();
}

export async function writeDenial({ sql }: Tx, cause: Cause, denial: Denial, atMs: number): Promise<void> {
  await sql`
    insert into risk_manager.decisions (signal_id, session_id, run, signal_number, kind, code, reason, mark,
      market_at_ms, decided_at_ms)
    values (${cause.id}, ${cause.sessionId}, ${cause.run}, ${cause.number}, 'denied', ${denial.code},
      ${denial.reason}, ${cause.marks[cause.instrumentId] ?? null}, ${cause.marketAtMs}, ${atMs})`;
}
