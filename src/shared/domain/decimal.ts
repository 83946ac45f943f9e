import { Decimal as DecimalLibrary } from "decimal.js";

/**
 * Exact decimal for money, prices and sizes. 100 significant digits are far above anything a sum or a product in this
 * engine needs, so plus, minus and times are exact; only a division rounds, and each place that divides says how.
 */
export const Decimal = DecimalLibrary.clone({
  precision: 100,
  rounding: DecimalLibrary.ROUND_DOWN,
  toExpNeg: -1_000,
  toExpPos: 1_000,
});
export type Decimal = DecimalLibrary;

/** What may be read as a decimal. A float is refused: its digits are not the ones a person wrote. */
export type DecimalText = string;

export const ZERO: Decimal = new Decimal(0);
export const ONE: Decimal = new Decimal(1);

/** Reads a decimal string. Throws on anything that is not a finite number. */
export function decimal(text: DecimalText): Decimal {
  const value = new Decimal(text);
  if (!value.isFinite()) throw new RangeError("A decimal has to be a finite number.");
  return value;
}

/** Writes a decimal without exponent, trailing zeros or a negative zero: the one form used on the wire. */
export function plain(value: Decimal): DecimalText {
  return value.isZero() ? "0" : value.toFixed();
}

/** Brings a decimal string into the form of `plain`: "1.500" becomes "1.5". */
export function normalize(text: DecimalText): DecimalText {
  return plain(decimal(text));
}

/** The largest multiple of `step` that is not above `value` (toward zero for a size, which is never negative). Exact. */
export function floorToStep(value: Decimal, step: Decimal): Decimal {
  return value.divToInt(step).times(step);
}

/** The smallest multiple of `step` that is not below `value`, for values of zero and above. Exact. */
export function ceilToStep(value: Decimal, step: Decimal): Decimal {
  const floor = floorToStep(value, step);
  return floor.eq(value) ? floor : floor.plus(step);
}

/** Whether `value` is a whole multiple of `step`. */
export function isMultipleOf(value: Decimal, step: Decimal): boolean {
  return value.mod(step).isZero();
}
