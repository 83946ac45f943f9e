import { decimal } from "#shared/domain/decimal.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { decimalText, nonNegativeDecimal } from "#shared/domain/schemas.ts";
import type { AccountEvent, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { hasEndedUnheard, isTerminal } from "#shared/orders/order-state.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import { SAME_WITHIN_MS } from "./book-store.ts";
import type { Recorded, VenueWord } from "./record-venue.ts";

/** So many orders are remembered; what is told of one before them is booked as any other word. */
const MOST_ORDERS = 1_000;

export type OrderEvent = Extract<AccountEvent, { kind: "order" }>;

interface UnderWay {
  word: VenueWord;
  /** Resolves when its transaction is over, however it ended. */
  over: Promise<void>;
}

/** What an answer has come to, committed. */
interface Known {
  order: Order;
  venueSymbol: string;
  fills: readonly Fill[];
}

/**
 * What this process has recorded of answers to its orders: the user stream tells the same a moment later. What it tells of an
 * order that has ended, and whose execution it names exactly, was booked with the answer and changes nothing any more, whoever
 * has written since: an order that has ended by the venue's word stays so, and a fill that is booked counts no second time.
 * Nothing here is needed: what is not remembered is booked as any other word.
 */
export class RecordedAnswers {
  readonly #underWay = new Map<string, UnderWay>();
  readonly #known = new Map<string, Known>();

  /** Records an answer about one order with `run`, and remembers what it came to. Rejects as `run` does. */
  async record<T extends { recorded: Recorded }>(word: VenueWord, run: () => Promise<T>): Promise<T> {
    const [said] = word.orders;
    if (said === undefined) return run();
    const key = keyOf(word.accountId, said);
    const recording = run();
    const over = recording.then(ignore, ignore);
    const own: UnderWay = { word, over };
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
  has(accountId: string, { order: said, fill: saidFill }: OrderEvent): boolean {
    const known = this.#known.get(keyOf(accountId, said));
    if (known === undefined || known.venueSymbol !== said.venueSymbol) return false;
    const { order, fills } = known;
    if (order.venueOrderId !== said.venueOrderId || !nonNegativeDecimal.safeParse(said.filledSize).success)
      return false;
    if (readVenueOrder(order, said).kind !== "nothing") return false;
    if (saidFill === undefined) return true;
    const { venueOrderId, venueSymbol } = saidFill;
    if (venueOrderId !== said.venueOrderId || venueSymbol !== said.venueSymbol) return false;
    return fills.some((fill) => isSame(fill, saidFill));
  }

  /** Resolves when an answer that tells the same as an event is recorded, or was not. Undefined: none is being recorded. */
  underWay(accountId: string, { order: said, fill }: OrderEvent): Promise<void> | undefined {
    const found = this.#underWay.get(keyOf(accountId, said));
    if (found === undefined) return undefined;
    const isTold =
      found.word.orders.some(({ venueOrderId }) => venueOrderId === said.venueOrderId) &&
      (fill === undefined || found.word.fills.some(({ tradeId }) => tradeId === fill.tradeId));
    return isTold ? found.over : undefined;
  }

  #remember(key: string, { clientOrderId, venueSymbol }: VenueOrder, { orders, fills }: Recorded): void {
    const order = [...orders.values()].find((one) => one.clientOrderId === clientOrderId);
    if (order === undefined || !isTerminal(order.state) || hasEndedUnheard(order)) return;
    this.#known.delete(key);
    const own = fills.map(({ fill }) => fill).filter(({ orderId }) => orderId === order.id);
    this.#known.set(key, { order, venueSymbol, fills: own });
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
