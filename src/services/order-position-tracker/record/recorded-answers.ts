import { decimal } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { decimalText, nonNegativeDecimal } from "#shared/domain/schemas.ts";
import type { AccountEvent, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { hasEndedUnheard, isTerminal } from "#shared/orders/order-state.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import { SAME_WITHIN_MS } from "./book-store.ts";
import type { ExecutionReport, Recorded } from "./recorder.ts";

/** So many orders are remembered; what is told of one before them is booked as any other report. */
const MOST_ORDERS = 1_000;

interface UnderWay {
  report: ExecutionReport;
  /** Resolves when its transaction is over, however it ended. */
  over: Promise<void>;
}

/** What an answer has said of an order, and what it has come to, committed. */
interface Known {
  said: VenueOrder;
  order: Order;
  fills: readonly Fill[];
}

/**
 * What this process has recorded of answers to its orders. The user stream tells the same a moment later, and what is no news
 * needs no transaction:
 *
 * - the same report as the answer;
 * - whatever it tells of an order that had ended with the answer, since an order that has ended stays so;
 * - an execution that was booked with the answer, to the last digit.
 *
 * What is not remembered here is booked as any other report, and changes nothing.
 */
export class RecordedAnswers {
  readonly #underWay = new Map<string, UnderWay>();
  readonly #known = new Map<string, Known>();

  /** Records an answer about one order with `run`, and remembers what it came to. Rejects as `run` does. */
  async remember<T extends { recorded: Recorded }>(report: ExecutionReport, run: () => Promise<T>): Promise<T> {
    const [said] = report.orders;
    if (said === undefined) return run();
    const key = keyOf(report.accountId, said);
    const recording = run();
    const over = recording.then(ignore, ignore);
    const own: UnderWay = { report, over };
    this.#underWay.set(key, own);
    try {
      const result = await recording;
      this.#remember(key, said, result.recorded);
      return result;
    } finally {
      if (this.#underWay.get(key) === own) this.#underWay.delete(key);
    }
  }

  /** Whether all that an event tells was booked with an answer. */
  has(accountId: string, { order: said, fill: saidFill }: AccountEvent): boolean {
    const known = this.#known.get(keyOf(accountId, said));
    if (known === undefined || !isNoNews(known, said)) return false;
    if (saidFill === undefined) return true;
    const { venueOrderId, venueSymbol } = saidFill;
    if (venueOrderId !== said.venueOrderId || venueSymbol !== said.venueSymbol) return false;
    return known.fills.some((fill) => isSame(fill, saidFill));
  }

  /** Resolves when an answer that tells the same as an event is recorded, or was not. Undefined: none is being recorded. */
  underWay(accountId: string, { order: said, fill }: AccountEvent): Promise<void> | undefined {
    const found = this.#underWay.get(keyOf(accountId, said));
    if (found === undefined) return undefined;
    const isTold =
      found.report.orders.some(({ venueOrderId }) => venueOrderId === said.venueOrderId) &&
      (fill === undefined || found.report.fills.some(({ tradeId }) => tradeId === fill.tradeId));
    return isTold ? found.over : undefined;
  }

  #remember(key: string, said: VenueOrder, { orders, fills, incomplete }: Recorded): void {
    this.#known.delete(key);
    const order = [...orders.values()].find(({ clientOrderId }) => clientOrderId === said.clientOrderId);
    if (order === undefined || hasEndedUnheard(order) || incomplete.length > 0) return;
    const own = fills.map(({ fill }) => fill).filter(({ orderId }) => orderId === order.id);
    this.#known.set(key, { said, order, fills: own });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_ORDERS && oldest !== undefined) this.#known.delete(oldest);
  }
}

function ignore(): void {
  // Who records is told.
}

function keyOf(accountId: string, { clientOrderId }: { clientOrderId: string }): string {
  return `${accountId} ${clientOrderId}`;
}

/** Whether a report of an order changes nothing, whatever has been written since this was recorded. */
function isNoNews({ said: answered, order }: Known, said: VenueOrder): boolean {
  if (order.venueOrderId !== said.venueOrderId || answered.venueSymbol !== said.venueSymbol) return false;
  if (!nonNegativeDecimal.safeParse(said.filledSize).success) return false;
  if (isTerminal(order.state)) return readVenueOrder(order, said).kind === "nothing";
  const isSameReport = answered.status === said.status && isEqual(answered.filledSize, said.filledSize);
  return isSameReport && Math.abs(answered.atMs - said.atMs) <= SAME_WITHIN_MS;
}

/** Whether it is the execution that is booked. A venue whose ids have begun anew tells another one under its id. */
function isSame(fill: Fill, said: VenueFill): boolean {
  const { tradeId, side, feeAsset, atMs } = fill;
  if (said.tradeId !== tradeId || said.side !== side || said.feeAsset !== feeAsset) return false;
  if (!(Math.abs(said.atMs - atMs) <= SAME_WITHIN_MS)) return false;
  return (["price", "size", "fee"] as const).every((amount) => isEqual(fill[amount], said[amount]));
}

function isEqual(known: string, said: string): boolean {
  return decimalText.safeParse(said).success && decimal(said).eq(known);
}
