import { applyFill, type Book, type BookJson, bookFromJson, bookToJson, moneyOf } from "#shared/accounting/book.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/alerts.ts";
import type { BusEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import type { Session, SessionState } from "#shared/domain/session.ts";
import { ORDERS } from "#shared/messages/topics.ts";
import { isTerminal } from "#shared/orders/order-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { afterExitEvent, concernsExits, type RefusedExit, sayRefused } from "./refused-exit.ts";

interface Step {
  order: Order;
  fill: Fill | null;
}

interface BudgetRow {
  session_id: string;
  book: BookJson;
  next_order_number: number;
  market_at_ms: number;
  refused_exit: RefusedExit | null;
  /** Whether the session is over: then no exit of it follows. */
  is_over: boolean;
}

/** Whether an event moves money or a reservation (a fill, an order's end), or tells whether the venue takes exits. */
export function concernsBook({ topic, type, data }: BusEvent): boolean {
  if (topic !== ORDERS.name) return false;
  const { order } = data as { order: Order };
  return type === "order.filled" || isTerminal(order.state) || concernsExits(order);
}

/**
 * Keeps books and reservations by the orders' own events: a fill changes the book and shrinks its order's reservation, an
 * end removes it. An exit that the venue refuses raises an alert, which ends when it accepts one. The bus gives each event
 * once in effect.
 */
export async function followOrders(
  tx: Tx,
  deps: Pick<Deps, "clock" | "log" | "bus">,
  events: readonly BusEvent[],
): Promise<void> {
  const steps = events.filter(concernsBook).map(readStep);
  if (steps.length === 0) return;
  const { sql } = tx;
  const sessionIds = [...new Set(steps.map(({ order }) => order.sessionId))].sort();
  const instrumentIds = [...new Set(steps.map(({ order }) => order.instrumentId))];
  const [rows, instruments] = await Promise.all([
    sql<BudgetRow[]>`
      select b.session_id, b.book, b.next_order_number, b.market_at_ms, b.refused_exit,
        coalesce(s.state = any(${[...OVER]}), true) as is_over
      from risk_manager.budgets b left join reference.sessions s on s.id = b.session_id
      where b.session_id = any(${sessionIds}) order by b.session_id for update of b`,
    sql<{ id: string; instrument: Instrument }[]>`
      select id, instrument from reference.instruments where id = any(${instrumentIds})`,
  ]);
  const byId = new Map(instruments.map(({ id, instrument }) => [id, instrument]));
  const nowMs = deps.clock.nowMs();
  const budgets = rows.map((row) => applySteps(row, { steps, instruments: byId, nowMs }));
  await Promise.all([
    ...budgets.map((budget) => writeBudget(tx, budget, nowMs)),
    ...steps.map((step) => shrinkReservation(tx, step)),
  ]);
  for (const [index, { sessionId, refusedExit }] of budgets.entries()) {
    const before = rows[index]?.refused_exit ?? null;
    if (refusedExit !== before) await tellRefused(tx, deps, sessionId, refusedExit);
  }
}

/** States in which nothing closes what a session holds, until a person starts or stops it. */
const OVER: readonly SessionState[] = ["STOPPED", "FAULTED", "DELETED"];

/** Whether a session's event ends what is known of its refused exits. */
export function concernsRefusals({ type, data }: BusEvent): boolean {
  return type === "session.changed" && OVER.includes((data as { session: Session }).session.state);
}

/** No exit of a session follows that is over: its alert ends, and a later run begins without pauses. */
export async function forgetRefusals(
  tx: Tx,
  deps: Pick<Deps, "clock" | "bus">,
  events: readonly BusEvent[],
): Promise<void> {
  for (const sessionId of [...new Set(events.filter(concernsRefusals).map(({ key }) => key))].sort()) {
    const rows = await tx.sql`
      update risk_manager.budgets set refused_exit = null
      where session_id = ${sessionId} and refused_exit is not null returning 1`;
    if (rows.length > 0) await tellRefused(tx, deps, sessionId, null);
  }
}

async function tellRefused(
  tx: Tx,
  deps: Pick<Deps, "clock" | "bus">,
  sessionId: string,
  refused: RefusedExit | null,
): Promise<void> {
  const alert = { scope: `session:${sessionId}`, code: "EXIT_REFUSED" } as const;
  if (refused === null) {
    await clearAlert(tx, deps, alert);
    return;
  }
  const { orderId, instrumentId, reason, times } = refused;
  const data = { sessionId, orderId, instrumentId, reason, times };
  await raiseAlert(tx, deps, { ...alert, text: sayRefused(refused), data });
}

function readStep({ data }: BusEvent): Step {
  const { order, fill = null } = data as { order: Order; fill?: Fill };
  return { order, fill };
}

function applySteps(
  row: BudgetRow,
  {
    steps,
    instruments,
    nowMs,
  }: { steps: readonly Step[]; instruments: ReadonlyMap<string, Instrument>; nowMs: number },
) {
  let book: Book = bookFromJson(row.book);
  let nextOrderNumber = row.next_order_number;
  let marketAtMs = row.market_at_ms;
  let refusedExit = row.refused_exit;
  for (const { order, fill } of steps) {
    if (order.sessionId !== row.session_id) continue;
    nextOrderNumber = Math.max(nextOrderNumber, order.number + 1);
    refusedExit = row.is_over ? null : afterExitEvent(refusedExit, order, nowMs);
    if (fill === null) continue;
    const instrument = instruments.get(fill.instrumentId);
    if (instrument === undefined) throw new RangeError(`A fill of ${fill.instrumentId}, which nobody knows.`);
    marketAtMs = Math.max(marketAtMs, fill.atMs);
    book = applyFill(book, moneyOf(fill), instrument);
  }
  return { sessionId: row.session_id, book, nextOrderNumber, marketAtMs, refusedExit };
}

async function writeBudget({ sql }: Tx, budget: ReturnType<typeof applySteps>, atMs: number): Promise<void> {
  await sql`
    update risk_manager.budgets
    set book = ${sql.json(bookToJson(budget.book))}, next_order_number = ${budget.nextOrderNumber},
      market_at_ms = ${budget.marketAtMs}, refused_exit = ${toJson(sql, budget.refusedExit)}, updated_at_ms = ${atMs}
    where session_id = ${budget.sessionId}`;
}

function toJson(sql: Tx["sql"], refusedExit: RefusedExit | null) {
  return refusedExit === null ? null : sql.json({ ...refusedExit });
}

async function shrinkReservation({ sql }: Tx, { order, fill }: Step): Promise<void> {
  if (isTerminal(order.state)) await sql`delete from risk_manager.reservations where order_id = ${order.id}`;
  else if (fill !== null) {
    await sql`update risk_manager.reservations set size_left = greatest(size_left - ${fill.size}::numeric, 0)
      where order_id = ${order.id}`;
  }
}
