/** Sums of a few thousand float64 numbers of one size are off by less than this share of them. */
const TOLERANCE = 1e-12;

/**
 * Whether one result of an indicator is above another by more than rounding can make: by more than 1e-12 of the larger
 * magnitude. Two sums of the same numbers, added in other orders or numbers, may differ in their last bits. False where one is NaN.
 */
export function isAbove(value: number, other: number): boolean {
  return value - other > TOLERANCE * Math.max(Math.abs(value), Math.abs(other));
}
