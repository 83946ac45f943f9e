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

/** The longest text that is read as a decimal: at most as many digits, so that a product of two has at most 100. */
export const MOST_DECIMAL_LENGTH = 50;
/** Digits, an optional fraction; also the exponent by which a float64 is written that is very small or very large. */
const READABLE = /^-?\d+(?:\.\d+)?(?:e[+-]?\d{1,2})?$/;

/**
 * Reads a decimal string: an optional sign, digits, an optional fraction, an optional exponent. Throws RangeError on anything
 * else (hexadecimal, separators, NaN), on text of more than 50 characters, and where an exponent puts a digit 50
 * places or more from the point. So a sum or a product of two that were read is exact within 100 digits.
 */
export function decimal(text: DecimalText): Decimal {
  if (text.length > MOST_DECIMAL_LENGTH || !READABLE.test(text)) throw notDecimal(text);
  const value = new Decimal(text);
  if (text.includes("e") && Math.max(value.e, value.decimalPlaces()) >= MOST_DECIMAL_LENGTH) throw notDecimal(text);
  return value;
}

function notDecimal(text: DecimalText): RangeError {
  const shown = JSON.stringify(text.slice(0, MOST_DECIMAL_LENGTH));
  return new RangeError(`${shown} is not a decimal of at most ${MOST_DECIMAL_LENGTH} characters, like "-12.5".`);
}

/** Writes a decimal without exponent, trailing zeros or a negative zero: the one form used on the wire. */
export function plain(value: Decimal): DecimalText {
  return value.isZero() ? "0" : value.toFixed();
}

/** The form of `plain`, but for a zero with a sign. */
const PLAIN = /^-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/;

/** Brings a decimal string into the form of `plain`: "1.500" becomes "1.5". Nearly all have it: they are only looked at. */
export function normalize(text: DecimalText): DecimalText {
  const isPlain = text.length <= MOST_DECIMAL_LENGTH && PLAIN.test(text) && text !== "-0";
  return isPlain ? text : plain(decimal(text));
}

/** Digits in each word of a Decimal. */
const WORD_DIGITS = 7;

/**
 * A decimal as a float64 that is off by less than 8 times 2^-52 of it. It is made from the first four words, which are 22
 * digits at least; `toNumber` gives the nearest float64, and goes by text. For zero, and for sizes from 1e-280 to 1e307:
 * smaller ones lose digits down to 0, larger ones are Infinity.
 */
export function approximate({ d: words, e: exponent, s: sign }: Decimal): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = words;
  let digits = 1;
  for (let above = 10; above <= first; above *= 10) digits += 1;
  const scaled = first * 1e21 + second * 1e14 + third * 1e7 + fourth;
  return sign * scaled * 10 ** (exponent - digits + 1 - 3 * WORD_DIGITS);
}

/** Up to here a float64 quotient of two rounded numbers is off by less than one. */
const GUESS_LIMIT = 2 ** 40;

/**
 * How often `divisor` goes into `value` as a whole, both above or at zero, the divisor above. Exact: a float64 quotient is
 * only the first guess, which costs a third of a division.
 */
export function timesWithin(value: Decimal, divisor: Decimal): Decimal {
  const guess = Math.floor(approximate(value) / approximate(divisor));
  // Also where both are too small for a float64, and the guess is NaN.
  if (!(guess <= GUESS_LIMIT)) return value.divToInt(divisor);
  const rest = value.minus(divisor.times(guess));
  if (rest.isNegative()) return new Decimal(guess - 1);
  return new Decimal(rest.lt(divisor) ? guess : guess + 1);
}

/** The largest multiple of `step` that is not above `value` (toward zero for a size, which is never negative). Exact. */
export function floorToStep(value: Decimal, step: Decimal): Decimal {
  return value.divToInt(step).times(step);
}

/** Whether `value` is a whole multiple of `step`. */
export function isMultipleOf(value: Decimal, step: Decimal): boolean {
  return value.mod(step).isZero();
}
