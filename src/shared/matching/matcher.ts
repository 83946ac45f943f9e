import { feeOf } from "#shared/accounting/fees.ts";
import { type Decimal, decimal, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderStyle, Side } from "#shared/domain/signal.ts";

/** An order as the matcher takes it. */
export interface MatcherOrder {
  orderId: string;
  side: Side;
  style: OrderStyle;
  /** In the base asset. */
  size: Decimal;
  /** It already stands in the book: it fills at its limit, as maker, from the first price on (a post-only order). */
  resting?: boolean;
}

/** One execution. `quote` is size times price, exact, never rounded. Orders fill whole, so `closesOrder` is true. */
export interface MatchedFill {
  orderId: string;
  side: Side;
  price: Decimal;
  size: Decimal;
  quote: Decimal;
  fee: Decimal;
  feeAsset: string;
  maker: boolean;
  atMs: number;
  closesOrder: boolean;
}

/** All that rests, as JSON, in the order of submission. */
export type MatcherSnapshot = { orderId: string; side: Side; style: OrderStyle; size: string; resting: boolean }[];

/**
 * Matches orders against prices shown one after the other. An order takes effect at the first price shown after its
 * submission: a market order fills whole at it (taker). A limit order that is marketable at its first price fills whole
 * at that price (taker); later it fills at its limit (maker) once a price reaches it. IOC and FOK orders that are not
 * marketable at their first price expire. Every price has unlimited depth. Fills of one price come in the order of
 * submission.
 */
export interface Matcher {
  /** Throws on an order id that rests already. */
  submit(order: MatcherOrder): void;
  /** False: no such order rests. */
  cancel(orderId: string): boolean;
  /** Shows one price. Costs nothing where nothing rests. */
  show(price: Decimal, atMs: number): readonly MatchedFill[];
  readonly restingCount: number;
  /** Orders that the last price shown ended without a fill (IOC, FOK). */
  readonly expired: readonly string[];
  snapshot(): MatcherSnapshot;
  /** Replaces all that rests by what was snapshot. */
  restore(snapshot: MatcherSnapshot): void;
}

interface Resting {
  orderId: string;
  side: Side;
  style: OrderStyle;
  size: Decimal;
  limit: Decimal | null;
  resting: boolean;
}

const NOTHING: readonly never[] = Object.freeze([]);

function admit(order: MatcherOrder): Resting {
  const limit = order.style.type === "LIMIT" ? decimal(order.style.price) : null;
  return { ...order, limit, resting: order.resting ?? false };
}

/** Whether a price reaches a limit: a buy at or below it, a sell at or above it. */
export function isMarketable(side: Side, limit: Decimal, price: Decimal): boolean {
  return side === "BUY" ? price.lte(limit) : price.gte(limit);
}

function priceOf(order: Resting, shown: Decimal): { price: Decimal; maker: boolean } | null {
  if (order.limit === null) return { price: shown, maker: false };
  if (!isMarketable(order.side, order.limit, shown)) return null;
  return order.resting ? { price: order.limit, maker: true } : { price: shown, maker: false };
}

/** A matcher for one instrument, whose fees it takes. Nothing rests at first. */
export function createMatcher({ instrument }: { instrument: Instrument }): Matcher {
  let book = new Map<string, Resting>();
  let expired: readonly string[] = NOTHING;

  function fillOf(order: Resting, at: { price: Decimal; maker: boolean }, atMs: number): MatchedFill {
    const { orderId, side, size } = order;
    const { price, maker } = at;
    const quote = size.times(price);
    return {
      orderId,
      side,
      price,
      size,
      quote,
      ...feeOf({ side, price, size, instrument, maker, quote }),
      maker,
      atMs,
      closesOrder: true,
    };
  }

  return {
    submit(order) {
      if (book.has(order.orderId)) throw new RangeError("An order with this id rests already.");
      book.set(order.orderId, admit(order));
    },
    cancel: (orderId) => book.delete(orderId),
    show(price, atMs) {
      if (expired.length > 0) expired = NOTHING;
      if (book.size === 0) return NOTHING;
      const fills: MatchedFill[] = [];
      const ended: string[] = [];
      for (const order of book.values()) {
        const at = priceOf(order, price);
        if (at !== null) fills.push(fillOf(order, at, atMs));
        else if (order.style.type === "LIMIT" && order.style.timeInForce !== "GTC") ended.push(order.orderId);
        else order.resting = true;
      }
      for (const fill of fills) book.delete(fill.orderId);
      for (const orderId of ended) book.delete(orderId);
      if (ended.length > 0) expired = ended;
      return fills;
    },
    get restingCount() {
      return book.size;
    },
    get expired() {
      return expired;
    },
    snapshot: () =>
      [...book.values()].map(({ orderId, side, style, size, resting }) => ({
        orderId,
        side,
        style,
        size: plain(size),
        resting,
      })),
    restore(snapshot) {
      book = new Map(snapshot.map((order) => [order.orderId, admit({ ...order, size: decimal(order.size) })]));
      expired = NOTHING;
    },
  };
}
