import { z } from "zod";

/** A decimal as text: optional sign, digits, optional fraction; never an exponent. */
export const decimalText = z
  .string()
  .max(80)
  .regex(/^-?\d+(\.\d+)?$/, 'must be a decimal number written as text, like "12.5"');
/** A decimal above zero. */
export const positiveDecimal = decimalText.refine(
  (text) => !text.startsWith("-") && /[1-9]/.test(text),
  "must be above zero",
);
/** A decimal of zero or more. */
export const nonNegativeDecimal = decimalText.refine((text) => !text.startsWith("-"), "must not be below zero");
/** A point in time: UTC epoch milliseconds. */
export const epochMs = z.number().int().nonnegative();
/** A wall-clock stamp with a fraction of a millisecond, for latency figures alone. */
export const stampMs = z.number().nonnegative();
