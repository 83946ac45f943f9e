import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Fill } from "#shared/domain/order.ts";
import type { Side } from "#shared/domain/signal.ts";

/**
 * The money of a session: `cash` in the quote asset, and what it holds by instrument id, signed and in the base asset; an
 * instrument of which nothing is held may be left out. Exact. Never changed in place.
 */
export interface Book {
  readonly cash: Decimal;
  readonly sizes: ReadonlyMap<string, Decimal>;
}

/** What a book knows of an instrument. It never changes under an id. */
export type Assets = Pick<Instrument, "id" | "base" | "quote">;

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

/** The money of an execution that came as text. */
export function moneyOf({ side, price, size, fee, feeAsset }: Fill): BookFill {
  return { side, price: decimal(price), size: decimal(size), fee: decimal(fee), feeAsset };
}

export function createBook(capital: Decimal): Book {
  return { cash: capital, sizes: new Map() };
}

/** What is held of an instrument; zero where there never was any. */
export function heldOf(book: Book, instrumentId: string): Decimal {
  return book.sizes.get(instrumentId) ?? ZERO;
}

/**
 * The book after an execution. A fee in the quote asset leaves the cash, one in the base asset leaves what is held, one in a
 * third asset leaves neither. One below zero, a rebate, is credited the same way.
 */
export function applyFill(book: Book, fill: BookFill, instrument: Assets): Book {
  const amount = fill.quote ?? fill.price.times(fill.size);
  const moved = fill.side === "BUY" ? book.cash.minus(amount) : book.cash.plus(amount);
  const cash = fill.feeAsset === instrument.quote ? moved.minus(fill.fee) : moved;
  const sizes = new Map(book.sizes);
  sizes.set(instrument.id, heldAfter(heldOf(book, instrument.id), fill, instrument));
  return { cash, sizes };
}

/** What is held of an instrument after an execution. */
export function heldAfter(held: Decimal, { side, size, fee, feeAsset }: BookFill, instrument: Assets): Decimal {
  const traded = side === "BUY" ? held.plus(size) : held.minus(size);
  return feeAsset === instrument.base ? traded.minus(fee) : traded;
}

/** A book as it is stored: decimals as text. */
export type BookJson = {
  cash: string;
  sizes: Record<string, string>;
};

export function bookToJson({ cash, sizes }: Book): BookJson {
  return { cash: plain(cash), sizes: Object.fromEntries([...sizes].map(([id, size]) => [id, plain(size)])) };
}

export function bookFromJson({ cash, sizes }: BookJson): Book {
  return {
    cash: decimal(cash),
    sizes: new Map(Object.entries(sizes).map(([id, size]) => [id, decimal(size)])),
  };
}
