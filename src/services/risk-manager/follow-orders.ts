import { applyFill, type Book, type BookJson, bookFromJson, bookToJson, moneyOf } from "#shared/accounting/book.ts";
import type { BusEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { isTerminal } from "#shared/orders/order-state.ts";
import type { Deps } from "#shared/service/service.ts";

interface Step {
  order: Order;
  fill: Fill | null;
}

interface BudgetRow {
  session_id: string;
  book: BookJson;
  next_order_number: number;
  market_at_ms: number;
}

/** Whether an event moves money or a reservation: a fill, or an order's end. */
export function concernsBook({ type, data }: BusEvent): boolean {
  return type === "order.filled" || isTerminal((data as { order: Order }).order.state);
}

/**
 * Keeps books and reservations by the orders' own events: a fill changes the book and shrinks its order's reservation, an
 * end removes it. The bus gives each event once in effect.
 */
export async function followOrders(
  tx: Tx,
  deps: Pick<Deps, "clock" | "log">,
  events: readonly BusEvent[],
): Promise<void> {
  const steps = events.filter(concernsBook).map(readStep);
  const { sql } = tx;
  const sessionIds = [...new Set(steps.map(({ order }) => order.sessionId))].sort();
  const instrumentIds = [...new Set(steps.map(({ order }) => order.instrumentId))];
  const [rows, instruments] = await Promise.all([
    sql<BudgetRow[]>`
      select session_id, book, next_order_number, market_at_ms from risk_manager.budgets
      where session_id = any(${sessionIds}) order by session_id for update`,
    sql<{ id: string; instrument: Instrument }[]>`
      select id, instrument from reference.instruments where id = any(${instrumentIds})`,
  ]);
  const byId = new Map(instruments.map(({ id, instrument }) => [id, instrument]));
  await Promise.all([
    ...rows.map((row) => writeBudget(tx, applySteps(row, steps, byId), deps.clock.nowMs())),
    ...steps.map((step) => shrinkReservation(tx, step)),
  ]);
}

function readStep({ data }: BusEvent): Step {
  const { order, fill = null } = data as { order: Order; fill?: Fill };
  return { order, fill };
}

function applySteps(row: BudgetRow, steps: readonly Step[], instruments: ReadonlyMap<string, Instrument>) {
  let book: Book = bookFromJson(row.book);
  let nextOrderNumber = row.next_order_number;
  let marketAtMs = row.market_at_ms;
  for (const { order, fill } of steps) {
    if (order.sessionId !== row.session_id) continue;
    nextOrderNumber = Math.max(nextOrderNumber, order.number + 1);
    if (fill === null) continue;
    const instrument = instruments.get(fill.instrumentId);
    if (instrument === undefined) throw new RangeError(`A fill of ${fill.instrumentId}, which nobody knows.`);
    marketAtMs = Math.max(marketAtMs, fill.atMs);
    book = applyFill(book, moneyOf(fill), instrument);
  }
  return { sessionId: row.session_id, book, nextOrderNumber, marketAtMs };
}

async function writeBudget({ sql }: Tx, budget: ReturnType<typeof applySteps>, atMs: number): Promise<void> {
  await sql`
    update risk_manager.budgets
    set book = ${sql.json(bookToJson(budget.book))}, next_order_number = ${budget.nextOrderNumber},
      market_at_ms = ${budget.marketAtMs}, updated_at_ms = ${atMs}
    where session_id = ${budget.sessionId}`;
}

async function shrinkReservation({ sql }: Tx, { order, fill }: Step): Promise<void> {
  if (isTerminal(order.state)) await sql`delete from risk_manager.reservations where order_id = ${order.id}`;
  else if (fill !== null) {
    await sql`update risk_manager.reservations set size_left = greatest(size_left - ${fill.size}::numeric, 0)
      where order_id = ${order.id}`;
  }
}
