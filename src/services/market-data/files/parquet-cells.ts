import type { SchemaElement } from "hyparquet";
import { Decimal, plain } from "#shared/domain/decimal.ts";

/** Makes the words of a cell from its value as it is stored. Null: it is empty. */
type ReadCell = (value: unknown) => string | null;

/** No text that is a date or an amount is longer: what is cut is refused as neither. */
const MOST_TEXT = 100;
/** Bytes of the longest number: a decimal of 76 digits. */
const MOST_NUMBER_BYTES = 32;
const MOST_SCALE = 76;

/**
 * How the cells of a column are read, exactly: decimals digit by digit, a float as the shortest decimal that is that float, a
 * time as ISO text in UTC, whatever its unit. Null: the column holds something else than numbers, times or texts.
 */
export function cellReaderOf(element: SchemaElement): ReadCell | null {
  const { type, repetition_type: repetition, num_children: children } = element;
  if (repetition === "REPEATED" || (children ?? 0) > 0) return null;
  const kind = kindOf(element);
  if (type === "FLOAT" || type === "DOUBLE") return kind === "plain" ? floatCell(type) : null;
  if (type === "INT96") return present((value) => timeText(bigintOf(value), NANOS_A_MS));
  if (type === "BYTE_ARRAY" && (kind === "plain" || kind === "text")) return present(textOf);
  if (kind === "decimal") return decimalCell(element);
  if (type !== "INT32" && type !== "INT64") return null;
  if (kind === "unsigned")
    return present((value) => BigInt.asUintN(type === "INT32" ? 32 : 64, bigintOf(value)).toString());
  if (kind === "plain") return present((value) => bigintOf(value).toString());
  if (kind === "date") return present((value) => timeText(bigintOf(value) * DAY_MS, 1n));
  const perMs = PER_MS[kind];
  return perMs === undefined ? null : present((value) => timeText(bigintOf(value), perMs));
}

const DAY_MS = 86_400_000n;
const NANOS_A_MS = 1_000_000n;
/** How many of a unit are a millisecond. */
const PER_MS: Readonly<Record<string, bigint>> = { MILLIS: 1n, MICROS: 1_000n, NANOS: NANOS_A_MS };

/** What its annotation says that the values mean; the older form of it (converted_type) is all that some files have. */
function kindOf({ logical_type: logical, converted_type: converted }: SchemaElement): string {
  if (logical?.type === "TIMESTAMP") return logical.unit;
  if (converted === "TIMESTAMP_MILLIS") return "MILLIS";
  if (converted === "TIMESTAMP_MICROS") return "MICROS";
  if (logical?.type === "DECIMAL" || converted === "DECIMAL") return "decimal";
  if (logical?.type === "DATE" || converted === "DATE") return "date";
  if (logical?.type === "STRING" || converted === "UTF8") return "text";
  if (logical?.type === "INTEGER") return logical.isSigned ? "plain" : "unsigned";
  if (converted?.startsWith("UINT_") === true) return "unsigned";
  return (logical === undefined && converted === undefined) || converted?.startsWith("INT_") === true
    ? "plain"
    : "other";
}

/** What is no value of the column's type was made up by the reader from a broken file. */
function present(read: (value: unknown) => string): ReadCell {
  return (value) => (value === null || value === undefined ? null : read(value));
}

function bigintOf(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new TypeError("not a whole number");
}

function textOf(value: unknown): string {
  const bytes = bytesOf(value);
  const text = new TextDecoder().decode(bytes.subarray(0, MOST_TEXT));
  return bytes.length > MOST_TEXT ? `${text}...` : text;
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError("not bytes");
}

function floatCell(type: "FLOAT" | "DOUBLE"): ReadCell {
  return (value) => {
    if (value === null || value === undefined) return null;
    if (typeof value !== "number") throw new TypeError("not a number");
    // pandas writes NaN where a value is missing.
    if (Number.isNaN(value)) return null;
    if (!Number.isFinite(value)) return String(value);
    return plain(new Decimal(type === "DOUBLE" ? value : shortestOfSingle(value)));
  };
}

/** A float32 is known by nine digits, and keeps any six. */
function shortestOfSingle(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

function decimalCell(element: SchemaElement): ReadCell | null {
  const { type, scale: older, logical_type: logical, type_length: length = 0 } = element;
  const scale = (logical?.type === "DECIMAL" ? logical.scale : older) ?? 0;
  if (!(scale >= 0 && scale <= MOST_SCALE) || length > MOST_NUMBER_BYTES) return null;
  const isBytes = type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY";
  return present((value) => decimalText(isBytes ? bigintOfBytes(bytesOf(value)) : bigintOf(value), scale));
}

/** Two's complement, the most significant byte first. */
function bigintOfBytes(bytes: Uint8Array): bigint {
  if (bytes.length > MOST_NUMBER_BYTES) throw new TypeError("too many bytes for a number");
  const hex = bytes.toHex();
  return hex === "" ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`));
}

function decimalText(unscaled: bigint, scale: number): string {
  return plain(new Decimal(`${unscaled}e-${scale}`));
}

function timeText(value: bigint, perMs: bigint): string {
  const rest = ((value % perMs) + perMs) % perMs;
  const date = new Date(Number((value - rest) / perMs));
  if (Number.isNaN(date.getTime())) return value.toString();
  const iso = date.toISOString();
  return rest === 0n ? iso : `${iso.slice(0, -1)}${rest.toString().padStart(String(perMs).length - 1, "0")}Z`;
}
