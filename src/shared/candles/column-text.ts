import { z } from "zod";
import type { CandleColumns } from "./columns.ts";

/** How many candles one answer of columns has at most. */
export const MOST_COLUMNS = 25_000;

/** The columns of candles, in the order of their names here. */
export const COLUMN_NAMES = ["open", "high", "low", "close", "volume", "openAtMs", "closeAtMs"] as const;
export type ColumnName = (typeof COLUMN_NAMES)[number];

const column = z.string().describe("float64 values, little-endian, as base64");

/** Columns of candles as one service answers another: a hundred times smaller and faster to read than candles. */
export const columnTextsSchema = z.object({
  count: z.number().int().nonnegative().max(MOST_COLUMNS).describe("How many candles these are"),
  open: column,
  high: column,
  low: column,
  close: column,
  volume: column,
  openAtMs: column.describe("UTC epoch milliseconds, as base64 of float64 values, little-endian"),
  closeAtMs: column.describe("UTC epoch milliseconds, as base64 of float64 values, little-endian"),
});
export type ColumnTexts = z.infer<typeof columnTextsSchema>;

const BYTES = Float64Array.BYTES_PER_ELEMENT;

/** The values of a column as text. */
export function textOfColumn(values: Float64Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

/**
 * Columns for so many candles, all zero, in memory that threads share: posted to a thread they are not copied. Who fills
 * them does so before anyone else has them.
 */
export function createSharedColumns(length: number): CandleColumns {
  const columns = Object.fromEntries(
    COLUMN_NAMES.map((name) => [name, new Float64Array(new SharedArrayBuffer(length * BYTES))]),
  );
  return { length, ...(columns as Record<ColumnName, Float64Array>) };
}

/** Writes an answer into columns, from the index `at` on. Throws RangeError where a column is not of the length that it says. */
export function fillColumns(columns: CandleColumns, texts: ColumnTexts, at: number): void {
  for (const name of COLUMN_NAMES) {
    const bytes = Buffer.from(texts[name], "base64");
    if (bytes.byteLength !== texts.count * BYTES)
      throw new RangeError(`The column ${name} is not of ${texts.count} values.`);
    // A copy of its own: a buffer may begin anywhere in a larger one.
    columns[name].set(new Float64Array(new Uint8Array(bytes).buffer), at);
  }
}
