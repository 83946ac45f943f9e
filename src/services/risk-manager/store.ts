import {
  type Assets,
  type Book,
  type BookJson,
  bookFromJson,
  bookToJson,
  createBook,
} from "#shared/accounting/book.ts";
import type { Tx } from "#shared/db/db.ts";
import { type AssetsJson, assetsSql } from "#shared/db/reference-rows.ts";
import type { TradingState } from "#shared/domain/account.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session, SessionState } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { ORDERS } from "#shared/messages/topics.ts";
import type { BookGap } from "#shared/risk/book-rule.ts";
import type { ApprovedOrder, Denial } from "#shared/risk/decide.ts";
import type { RiskState } from "#shared/risk/risk-state-rule.ts";
import type { RefusedExit } from "./decision/refused-exit.ts";

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
   * How many of its orders have not ended yet, as far as their events are known here, and how many events of orders are
   * parked or dead. Zero: the book has all fills.
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
  /** What risk holds back; null: nothing. */
  risk: RiskState | null;
  instrument: Instrument | null;
  /** Null: there is no such session. */
  budget: Budget | null;
}

/** A row of `risk_manager.context`; null is what there is none of. */
interface ContextRow {
  decided: DecisionContext["decided"];
  session: Session | null;
  gap: BookGap | null;
  trading_state: TradingState | null;
  risk: RiskState | null;
  instrument: Instrument | null;
  capital: string | null;
  book: BookJson | null;
  next_order_number: number;
  market_at_ms: number;
  refused_exit: RefusedExit | null;
  quote: string;
  base: string;
  open_orders: number;
}

/** The context of a signal that was read before it was known which one it is. */
export interface NextContext {
  /** Null: the task names none. */
  signalId: string | null;
  context: DecisionContext;
}

/** What a budget holds before a capital is paid in. */
const EMPTY = bookToJson(createBook(ZERO));

/**
 * Locks what a decision is made from, and gives it, in one statement: the session, so that its state stays, and its budget, so
 * that no other decision is made meanwhile. It also writes: a session without a budget gets one, and where its capital has
 * changed, the difference is paid in or out. `atMs`: wall clock.
 */
export async function lockContext(
  tx: Tx,
  { id, sessionId, instrumentId }: Pick<Cause, "id" | "sessionId" | "instrumentId">,
  atMs: number,
): Promise<DecisionContext> {
  const { sql } = tx;
  const [row] = await sql<ContextRow[]>`
    select * from risk_manager.context(${id}, ${sessionId}, ${instrumentId}, ${GROUP}, ${ORDERS.name}, ${sql.json(EMPTY)},
      ${atMs})`;
  if (row === undefined) throw new RangeError("A context is one row.");
  return contextOf(tx, row);
}

/** The same for the signal that a lane's first task asks to decide. Null: it has none. `atMs`: wall clock. */
export async function lockNextContext(tx: Tx, lane: string, atMs: number): Promise<NextContext | null> {
  const { sql } = tx;
  const [row] = await sql<(ContextRow & { signal_id: string | null })[]>`
    select * from risk_manager.next_context(${DECIDE_SIGNAL.queue}, ${lane}, ${GROUP}, ${ORDERS.name}, ${sql.json(EMPTY)},
      ${atMs})`;
  return row === undefined ? null : { signalId: row.signal_id, context: contextOf(tx, row) };
}

function contextOf(tx: Tx, row: ContextRow): DecisionContext {
  const { decided, session, gap, trading_state: account, risk, instrument } = row;
  return { decided, session, gap, account, risk, instrument, budget: paidInBudget(tx, row) };
}

function paidInBudget(tx: Tx, row: ContextRow): Budget | null {
  const { session, capital, book, quote, base, open_orders: openOrders } = row;
  if (capital === null || book === null) return null;
  return {
    book: session === null ? bookFromJson(book) : payIn(tx, session, { capital, book }),
    reserved: { quote: decimal(quote), base: decimal(base) },
    openOrders,
    nextOrderNumber: row.next_order_number,
    marketAtMs: row.market_at_ms,
    refusedExit: row.refused_exit,
  };
}

/**
 * Pays the difference in or out of the book where the session's capital has changed since it was paid in (from none, at
 * first). Not to be waited for.
 */
function payIn({ sql }: Tx, session: Session, budget: { capital: string; book: BookJson }): Book {
  const book = bookFromJson(budget.book);
  const paidIn = decimal(session.capital).minus(budget.capital);
  if (paidIn.isZero()) return book;
  const paid = { ...book, cash: book.cash.plus(paidIn) };
  void sql`
    update risk_manager.budgets set capital = ${session.capital}, book = ${sql.json(bookToJson(paid))}
    where session_id = ${session.id}`.execute();
  return paid;
}

/** An order with what it may take. */
export interface ReservedOrder {
  order: OrderRequest;
  reserve: ApprovedOrder["reserve"];
}

/** Writes an approval with its reservations and uses up the orders' numbers. Not to be waited for: it travels with the commit. */
export function writeApproval({ sql }: Tx, cause: Cause, approved: readonly ReservedOrder[], atMs: number): void {
  if (approved.length === 0) throw new RangeError("An approval has an order.");
  const { id: signalId, sessionId, run, number: signalNumber } = cause;
  const mark = cause.marks[cause.instrumentId] ?? null;
  const orders = approved.map(({ order: { id: orderId, number, side, size, marketAtMs }, reserve }, index) => {
    const quotePerUnit = plain(reserve.quote.div(size));
    const basePerUnit = plain(reserve.base.div(size));
    const of = { signalId, index, sessionId, run, signalNumber, mark, atMs };
    return { ...of, orderId, number, side, size, marketAtMs, quotePerUnit, basePerUnit };
  });
  void sql`select risk_manager.approve(${sql.json(orders)})`.execute();
}

/** Writes a denial. Not to be waited for: it travels with the commit. */
export function writeDenial({ sql }: Tx, cause: Cause, denial: Denial, atMs: number): void {
  void sql`
    insert into risk_manager.decisions (signal_id, session_id, run, signal_number, kind, code, reason, mark,
      market_at_ms, decided_at_ms)
    values (${cause.id}, ${cause.sessionId}, ${cause.run}, ${cause.number}, 'denied', ${denial.code},
      ${denial.reason}, ${cause.marks[cause.instrumentId] ?? null}, ${cause.marketAtMs}, ${atMs})`.execute();
}

/** What the events of a session's orders are applied to. */
export interface BudgetRow {
  session_id: string;
  book: BookJson;
  next_order_number: number;
  market_at_ms: number;
  refused_exit: RefusedExit | null;
  /** Whether the session is over: then no exit of it follows. */
  is_over: boolean;
}

/** States in which nothing closes what a session holds, until a person starts or stops it. */
export const OVER: readonly SessionState[] = ["STOPPED", "FAULTED", "DELETED"];

/** Locks the budgets of sessions, in their order, and reads what the instruments of their orders trade, by their ids. */
export async function lockBudgets(
  { sql }: Tx,
  sessionIds: readonly string[],
  instrumentIds: readonly string[],
): Promise<{ budgets: BudgetRow[]; assets: ReadonlyMap<string, Assets> }> {
  // The assets stand in each row: a statement of their own would cost more than they are long.
  const budgets = await sql<(BudgetRow & { assets: AssetsJson })[]>`
    select b.session_id, b.book, b.next_order_number, b.market_at_ms, b.refused_exit,
      coalesce(s.state = any(${[...OVER]}::text[]), true) as is_over, ${assetsSql(sql, instrumentIds)} as assets
    from risk_manager.budgets b left join reference.sessions s on s.id = b.session_id
    where b.session_id = any(${[...sessionIds]}::text[]) order by b.session_id for update of b`;
  return { budgets, assets: new Map(Object.entries(budgets[0]?.assets ?? {})) };
}

/** What events of orders have made of budgets and reservations. */
export interface Followed {
  budgets: readonly (Pick<Budget, "book" | "nextOrderNumber" | "marketAtMs" | "refusedExit"> & { sessionId: string })[];
  /** How much more of an order was executed, by its id. */
  filled: ReadonlyMap<string, Decimal>;
  /** Ids of the orders that have ended: nothing is reserved for them any more. */
  ended: ReadonlySet<string>;
}

/** Writes what a batch of events came to. Not to be waited for: it travels with the commit. */
export function writeFollowed({ sql }: Tx, { budgets, filled, ended }: Followed, atMs: number): void {
  const books = budgets.map(({ book, refusedExit, ...budget }) => ({
    ...budget,
    book: bookToJson(book),
    refusedExit: refusedExit === null ? null : { ...refusedExit },
  }));
  const sizes = [...filled].map(([orderId, size]) => ({ orderId, size: plain(size) }));
  void sql`
    select risk_manager.follow(${sql.json(books)}, ${sql.json(sizes)}, ${[...ended]}::text[], ${atMs})`.execute();
}

/** Forgets the refused exits of sessions. Gives those of which one was known, in their order. */
export async function forgetRefusedExits({ sql }: Tx, sessionIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ session_id: string }[]>`
    update risk_manager.budgets b set refused_exit = null
    from (
      select session_id from risk_manager.budgets
      where session_id = any(${[...sessionIds]}::text[]) and refused_exit is not null order by session_id for update
    ) known
    where b.session_id = known.session_id returning b.session_id`;
  return rows.map(({ session_id: id }) => id).sort();
}
