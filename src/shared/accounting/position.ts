import { averagePriceOf } from "#shared/accounting/average.ts";
import { type BookFill, heldAfter } from "#shared/accounting/book.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";

/**
 * A net holding with what it cost. `size` is signed, in the base asset, and exact; a fee taken in the base asset has already
 * left it. `averageEntry` is null when the size is zero. `realizedProfit` is in the quote asset, before fees; `fees` are by
 * asset.
 */
export interface PositionState {
  readonly size: Decimal;
  readonly averageEntry: Decimal | null;
  readonly realizedProfit: Decimal;
  readonly fees: ReadonlyMap<string, Decimal>;
}

/** What a session holds of an instrument before its first fill. */
export const NO_POSITION: PositionState = { size: ZERO, averageEntry: null, realizedProfit: ZERO, fees: new Map() };

/**
 * The position after an execution. A fee in the base asset leaves the size without touching the average entry, one in
 * another asset is only counted. A fill that goes through zero is a close and an open: it realises the whole old position,
 * and the rest enters at its price.
 */
export function applyToPosition(position: PositionState, fill: BookFill, instrument: Instrument): PositionState {
  const { averageEntry, realizedProfit } = trade(position, fill);
  const size = heldAfter(position.size, fill, instrument);
  const fees = new Map(position.fees);
  if (!fill.fee.isZero()) fees.set(fill.feeAsset, (fees.get(fill.feeAsset) ?? ZERO).plus(fill.fee));
  return { size, averageEntry: size.isZero() ? null : averageEntry, realizedProfit, fees };
}

function trade(position: PositionState, fill: BookFill) {
  const change = fill.side === "BUY" ? fill.size : fill.size.negated();
  const { averageEntry: average, realizedProfit } = position;
  if (average === null) return { averageEntry: fill.price, realizedProfit };
  if (position.size.isNegative() === change.isNegative()) {
    const cost = position.size
      .abs()
      .times(average)
      .plus(fill.quote ?? fill.size.times(fill.price));
    return { averageEntry: averagePriceOf(cost, position.size.plus(change).abs()), realizedProfit };
  }
  const flips = fill.size.gt(position.size.abs());
  const closed = flips ? position.size : change.negated();
  return {
    averageEntry: flips ? fill.price : average,
    realizedProfit: realizedProfit.plus(fill.price.minus(average).times(closed)),
  };
}

/** A position as it is stored: decimals as text. */
export type PositionJson = {
  size: string;
  averageEntry: string | null;
  realizedProfit: string;
  fees: Record<string, string>;
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
