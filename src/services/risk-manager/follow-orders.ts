import { type Assets, applyFill, type Book, bookFromJson, moneyOf } from "#shared/accounting/book.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { EventOf } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { type Decimal, ZERO } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import { isTerminal } from "#shared/orders/order-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { afterExitEvent, concernsExits, type RefusedExit, sayRefused } from "./decision/refused-exit.ts";
import { type BudgetRow, type Followed, forgetRefusedExits, lockBudgets, OVER, writeFollowed } from "./store.ts";

interface Step {
  order: Order;
  fill: Fill | null;
}

/** What books are kept by, and what ends them. */
export const BOOK_TOPICS = [ORDERS, SESSIONS] as const;
type BookEvent = EventOf<(typeof BOOK_TOPICS)[number]>;
type PublishedOrderEvent = EventOf<typeof ORDERS>;

/** Whether an event matters here: a fill or the end of an order, or one that shows whether the venue takes exits. */
export function concernsBook(event: BookEvent): event is PublishedOrderEvent {
  if (event.topic !== ORDERS.name) return false;
  const { order } = event.data;
  return event.type === "order.filled" || isTerminal(order.state) || concernsExits(order);
}

/**
 * Keeps books and reservations by the events of orders: a fill changes the book and makes its order's reservation smaller,
 * an end removes it. An exit that the venue refuses raises an alert, and one that it accepts ends it. The bus gives each
 * event once in effect.
 */
export async function followOrders(
  tx: Tx,
  deps: Pick<Deps, "clock" | "log" | "bus">,
  events: readonly BookEvent[],
): Promise<void> {
  const steps = events.filter(concernsBook).map(readStep);
  if (steps.length === 0) return;
  const sessionIds = [...new Set(steps.map(({ order }) => order.sessionId))].sort();
  const instrumentIds = [...new Set(steps.map(({ order }) => order.instrumentId))];
  const { budgets: rows, assets } = await lockBudgets(tx, sessionIds, instrumentIds);
  const nowMs = deps.clock.nowMs();
  const budgets = rows.map((row) => applySteps(row, { steps, assets, nowMs }));
  writeFollowed(tx, { budgets, ...reservationsAfter(steps) }, nowMs);
  for (const [index, { sessionId, refusedExit }] of budgets.entries()) {
    const before = rows[index]?.refused_exit ?? null;
    if (refusedExit !== before) await tellRefused(tx, deps, sessionId, refusedExit);
  }
}

/** Whether a session's event ends what is known of its refused exits. */
export function concernsRefusals({ type, data }: BookEvent): boolean {
  return type === "session.changed" && OVER.includes(data.session.state);
}

/** No exit of a session follows that is over: its alert ends, and a later run begins without pauses. */
export async function forgetRefusals(
  tx: Tx,
  deps: Pick<Deps, "clock" | "bus">,
  events: readonly BookEvent[],
): Promise<void> {
  const over = new Set(events.filter(concernsRefusals).map(({ key }) => key));
  if (over.size === 0) return;
  for (const sessionId of await forgetRefusedExits(tx, [...over])) await tellRefused(tx, deps, sessionId, null);
}

async function tellRefused(
  tx: Tx,
  deps: Pick<Deps, "clock" | "bus">,
  sessionId: string,
  refused: RefusedExit | null,
): Promise<void> {
  const alert = { scope: `session:${sessionId}`, kind: alerts.EXIT_REFUSED };
  if (refused === null) {
    await clearAlert(tx, deps, alert);
    return;
  }
  const { orderId, instrumentId, reason, times } = refused;
  const data = { sessionId, orderId, instrumentId, reason, times };
  await raiseAlert(tx, deps, { ...alert, text: sayRefused(refused), data });
}

function readStep({ type, data }: PublishedOrderEvent): Step {
  return { order: data.order, fill: type === "order.filled" ? data.fill : null };
}

function applySteps(
  row: BudgetRow,
  { steps, assets, nowMs }: { steps: readonly Step[]; assets: ReadonlyMap<string, Assets>; nowMs: number },
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
    const instrument = assets.get(fill.instrumentId);
    if (instrument === undefined) throw new RangeError(`A fill of ${fill.instrumentId}, which nobody knows.`);
    marketAtMs = Math.max(marketAtMs, fill.atMs);
    book = applyFill(book, moneyOf(fill), instrument);
  }
  return { sessionId: row.session_id, book, nextOrderNumber, marketAtMs, refusedExit };
}

/** What steps make of the reservations: an end takes its order's away, a fill of one that goes on makes it less. */
function reservationsAfter(steps: readonly Step[]): Pick<Followed, "filled" | "ended"> {
  const ended = new Set(steps.filter(({ order }) => isTerminal(order.state)).map(({ order }) => order.id));
  const filled = new Map<string, Decimal>();
  for (const { order, fill } of steps) {
    if (fill === null || ended.has(order.id)) continue;
    filled.set(order.id, (filled.get(order.id) ?? ZERO).plus(fill.size));
  }
  return { filled, ended };
}
