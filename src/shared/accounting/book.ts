import { averagePriceOf } from "#shared/accounting/average.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Side } from "#shared/domain/signal.ts";

/**
 * A net holding. `size` is signed, in the base asset, and exact; a fee taken in the base asset has already left it.
 * `averageEntry` is null when the size is zero. `realizedProfit` is in the quote asset, before fees; `fees` are by asset.
 */
export interface PositionState {
  readonly size: Decimal;
  readonly averageEntry: Decimal | null;
  readonly realizedProfit: Decimal;
  readonly fees: ReadonlyMap<string, Decimal>;
}

/** The money of a session: `cash` in the quote asset and its positions by instrument id. Never changed in place. */
export interface Book {
  readonly cash: Decimal;
  readonly positions: ReadonlyMap<string, PositionState>;
}

/** An execution, as far as money is concerned. */
export interface BookFill {
  side: Side;
  price: Decimal;
  size: Decimal;
  fee: Decimal;
  feeAsset: string;
  /** Size times price, where it is known already. */
  quote?: Decimal;
}

/** What a session holds of an instrument before its first fill. */
export const NO_POSITION: PositionState = { size: ZERO, averageEntry: null, realizedProfit: ZERO, fees: new Map() };

export function createBook(capital: Decimal): Book {
  return { cash: capital, positions: new Map() };
}

/** The position in an instrument; one of zero where there never was any. */
export function positionOf(book: Book, instrumentId: string): PositionState {
  return book.positions.get(instrumentId) ?? NO_POSITION;
}

/**
 * The book after an execution. Cash and sizes are exact. A fee in the quote asset leaves the cash, one in the base asset
 * leaves the position without touching its average entry, one in a third asset is only counted. A fill that goes through
 * zero is a close and an open: it realises the whole old position, and the rest enters at its price.
 */
export function applyFill(book: Book, fill: BookFill, instrument: Instrument): Book {
  const amount = fill.quote ?? fill.price.times(fill.size);
  const moved = fill.side === "BUY" ? book.cash.minus(amount) : book.cash.plus(amount);
  const cash = fill.feeAsset === instrument.quote ? moved.minus(fill.fee) : moved;
  const positions = new Map(book.positions);
  positions.set(instrument.id, applyToPosition(positionOf(book, instrument.id), fill, instrument));
  return { cash, positions };
}

/** The position after an execution; see `applyFill`. */
export function applyToPosition(position: PositionState, fill: BookFill, instrument: Instrument): PositionState {
  const traded = trade(position, fill);
  const size = fill.feeAsset === instrument.base ? traded.size.minus(fill.fee) : traded.size;
  const fees = new Map(position.fees);
  if (!fill.fee.isZero()) fees.set(fill.feeAsset, (fees.get(fill.feeAsset) ?? ZERO).plus(fill.fee));
  return {
    size,
    averageEntry: size.isZero() ? null : traded.averageEntry,
    realizedProfit: traded.realizedProfit,
    fees,
  };
}

function trade(position: PositionState, fill: BookFill) {
  const change = fill.side === "BUY" ? fill.size : fill.size.negated();
  const size = position.size.plus(change);
  const { averageEntry: average, realizedProfit } = position;
  if (average === null) return { size, averageEntry: fill.price, realizedProfit };
  if (position.size.isNegative() === change.isNegative()) {
    const cost = position.size
      .abs()
      .times(average)
      .plus(fill.quote ?? fill.size.times(fill.price));
    return { size, averageEntry: averagePriceOf(cost, size.abs()), realizedProfit };
  }
  const flips = fill.size.gt(position.size.abs());
  const closed = flips ? position.size : change.negated();
  return {
    size,
    averageEntry: flips ? fill.price : average,
    realizedProfit: realizedProfit.plus(fill.price.minus(average).times(closed)),
  };
}

/** Cash and all positions at their marks, exact. A position without a mark is a broken invariant and throws. */
export function equityOf(book: Book, marks: ReadonlyMap<string, Decimal>): Decimal {
  let equity = book.cash;
  for (const [instrumentId, position] of book.positions) {
    if (position.size.isZero()) continue;
    const mark = marks.get(instrumentId);
    if (mark === undefined) throw new RangeError(`There is no mark for ${instrumentId}.`);
    equity = equity.plus(position.size.times(mark));
  }
  return equity;
}

/** A position as it is stored: decimals as text. */
export type PositionJson = {
  size: string;
  averageEntry: string | null;
  realizedProfit: string;
  fees: Record<string, string>;
};

/** A book as it is stored: decimals as text. */
export type BookJson = {
  cash: string;
  positions: Record<string, PositionJson>;
};

export function positionToJson(position: PositionState): PositionJson {
  return {
    size: plain(position.size),
    averageEntry: position.averageEntry === null ? null : plain(position.averageEntry),
    realizedProfit: plain(position.realizedProfit),
    fees: Object.fromEntries([...position.fees].map(([asset, fee]) => [asset, plain(fee)])),
  };
}

export function positionFromJson(json: PositionJson): PositionState {
  return {
    size: decimal(json.size),
    averageEntry: json.averageEntry === null ? null : decimal(json.averageEntry),
    realizedProfit: decimal(json.realizedProfit),
    fees: new Map(Object.entries(json.fees).map(([asset, fee]) => [asset, decimal(fee)])),
  };
}

export function bookToJson(book: Book): BookJson {
  const positions = [...book.positions].map(([id, position]) => [id, positionToJson(position)] as const);
  return { cash: plain(book.cash), positions: Object.fromEntries(positions) };
}

export function bookFromJson(json: BookJson): Book {
  const positions = Object.entries(json.positions).map(([id, position]) => [id, positionFromJson(position)] as const);
  return { cash: decimal(json.cash), positions: new Map(positions) };
}
