import { z } from "zod";
import { MOST_DECIMAL_LENGTH } from "./decimal.ts";

const DECIMAL = 'must be a decimal number written as text, like "12.5"';

/** A decimal as text: optional sign, digits, optional fraction; never an exponent. */
export const decimalText = z
  .string({ error: ({ input }) => (input === undefined ? undefined : DECIMAL) })
  .max(MOST_DECIMAL_LENGTH, { abort: true })
  // What is no decimal is measured by no later rule.
  .regex(/^-?\d+(\.\d+)?$/, { error: DECIMAL, abort: true })
  .meta({ description: "A decimal number as text", examples: ["12.5"] });
/** An id or a name as it stands in a request: something, and not without end. */
export const idText = z.string().min(1).max(200);
/** An id of ours, in small letters however it was written. */
export const ownId = idText.toLowerCase();
/** The account of every example. What a person reads names one of the settings in its place, so that an example can be sent as it stands. */
export const EXAMPLE_ACCOUNT = "demo";
/** A name that a person gives in the settings: a venue's, an account's. */
export const shortName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "must be of a-z, 0-9 and dashes, 40 at most")
  .meta({ examples: [EXAMPLE_ACCOUNT] });
/** A decimal above zero. */
export const positiveDecimal = decimalText.refine(
  (text) => !text.startsWith("-") && /[1-9]/.test(text),
  "must be above zero",
);
/** A decimal of zero or more. */
export const nonNegativeDecimal = decimalText.refine((text) => !text.startsWith("-"), "must not be below zero");
/** A point in time: UTC epoch milliseconds, whole. */
export const epochMs = z.number().int().nonnegative().describe("UTC epoch milliseconds");
/** The largest number that a column of four bytes holds. */
const MOST_COUNT = 2_147_483_647;
/** A whole number that is counted and kept in four bytes: of a candle, an order, a run. */
export const countNumber = z.number().int().nonnegative().max(MOST_COUNT);
/** Number of a candle in its series: those before the first of its beginning are 0, -1, ... */
export const candleNumber = z.number().int().min(-MOST_COUNT).max(MOST_COUNT);
/** Number of a candle as text of a query. */
export const numberText = z.coerce.number().int().min(-MOST_COUNT).max(MOST_COUNT);
/** A UUID in small letters, however it was written. */
export const uuidText = z.uuid().toLowerCase();
/** A day of UTC. */
export const isoDate = z.iso
  .date({ abort: true, error: 'must be a date like "2007-03-01"' })
  .describe("A day of UTC, like 2007-03-01");
/**
 * A wall-clock stamp of the path from a frame to its order: UTC epoch milliseconds *with a fraction*, comparable between the
 * processes of one machine. For latency figures alone, whose hops take less than a millisecond; everything else is `epochMs`.
 */
export const stampMs = z.number().nonnegative().describe("UTC epoch milliseconds with a fraction, for latency figures");
