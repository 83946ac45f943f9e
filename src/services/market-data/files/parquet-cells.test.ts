import { expect, test } from "bun:test";
import type { SchemaElement } from "hyparquet";
import { cellReaderOf } from "./parquet-cells.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const text = (value: string) => new TextEncoder().encode(value);
const timestamp = (unit: "MILLIS" | "MICROS" | "NANOS") => ({
  type: "INT64" as const,
  logical_type: { type: "TIMESTAMP" as const, isAdjustedToUTC: false, unit },
});
const decimal = (scale: number) => ({ converted_type: "DECIMAL" as const, precision: 38, scale });
const unsigned = (bitWidth: 32 | 64) => ({ logical_type: { type: "INTEGER" as const, bitWidth, isSigned: false } });

const cases: [what: string, element: Omit<SchemaElement, "name">, value: unknown, read: string | null][] = [
  ["a double", { type: "DOUBLE" }, 0.1 + 0.2, "0.30000000000000004"],
  ["a small double", { type: "DOUBLE" }, 1e-7, "0.0000001"],
  ["a large double", { type: "DOUBLE" }, 1.5e21, "1500000000000000000000"],
  ["no number", { type: "DOUBLE" }, Number.NaN, null],
  ["infinity", { type: "DOUBLE" }, Number.POSITIVE_INFINITY, "Infinity"],
  ["a single", { type: "FLOAT" }, Math.fround(0.1), "0.1"],
  ["a single of nine digits", { type: "FLOAT" }, Math.fround(16777.217), "16777.217"],
  ["an int", { type: "INT32" }, -7, "-7"],
  ["a long int", { type: "INT64", converted_type: "INT_64" }, 2n ** 62n, "4611686018427387904"],
  ["an unsigned int", { type: "INT32", converted_type: "UINT_32" }, -1, "4294967295"],
  ["an unsigned long", { type: "INT64", ...unsigned(64) }, -1n, "18446744073709551615"],
  ["a decimal of four bytes", { type: "INT32", ...decimal(2) }, -1050, "-10.5"],
  ["a decimal of eight bytes", { type: "INT64", ...decimal(18) }, 1n, "0.000000000000000001"],
  ["a decimal of bytes", { type: "BYTE_ARRAY", ...decimal(1) }, bytes(0xff, 0x85), "-12.3"],
  ["a decimal of no bytes", { type: "BYTE_ARRAY", ...decimal(1) }, bytes(), "0"],
  [
    "a decimal of 38 digits",
    { type: "FIXED_LEN_BYTE_ARRAY", type_length: 16, logical_type: { type: "DECIMAL", precision: 38, scale: 37 } },
    bytes(0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff),
    "9.9999999999999999999999999999999999999",
  ],
  ["a text", { type: "BYTE_ARRAY", converted_type: "UTF8" }, text("10.50"), "10.50"],
  ["bytes without a word on them", { type: "BYTE_ARRAY" }, text("10.50"), "10.50"],
  ["a text without end", { type: "BYTE_ARRAY" }, text("1".repeat(101)), `${"1".repeat(100)}...`],
  ["milliseconds", timestamp("MILLIS"), 60_000n, "1970-01-01T00:01:00.000Z"],
  ["microseconds", timestamp("MICROS"), 60_000_001n, "1970-01-01T00:01:00.000001Z"],
  ["nanoseconds", timestamp("NANOS"), 1_704_164_640_000_000_000n, "2024-01-02T03:04:00.000Z"],
  ["a nanosecond before 1970", timestamp("NANOS"), -1n, "1969-12-31T23:59:59.999999999Z"],
  ["a time that is none", timestamp("MILLIS"), 2n ** 62n, "4611686018427387904"],
  ["older milliseconds", { type: "INT64", converted_type: "TIMESTAMP_MILLIS" }, 0n, "1970-01-01T00:00:00.000Z"],
  ["Spark's nanoseconds", { type: "INT96" }, 60_000_000_000n, "1970-01-01T00:01:00.000Z"],
  ["a day", { type: "INT32", converted_type: "DATE" }, 19_724, "2024-01-02T00:00:00.000Z"],
  ["nothing", { type: "INT64" }, undefined, null],
];

test.each(cases)("reads %s", (_what, element, value, read) => {
  expect(cellReaderOf({ name: "open", ...element })?.(value)).toBe(read);
});

test.each<[string, Omit<SchemaElement, "name">]>([
  ["true and false", { type: "BOOLEAN" }],
  ["lists", { type: "INT64", repetition_type: "REPEATED" }],
  ["structures", { num_children: 2 }],
  ["JSON", { type: "BYTE_ARRAY", converted_type: "JSON" }],
  ["times of a day", { type: "INT32", converted_type: "TIME_MILLIS" }],
  ["halves", { type: "FIXED_LEN_BYTE_ARRAY", type_length: 2, logical_type: { type: "FLOAT16" } }],
  ["decimals with a billion places", { type: "INT64", ...decimal(1e9) }],
  ["decimals of a megabyte", { type: "FIXED_LEN_BYTE_ARRAY", type_length: 1e6, ...decimal(2) }],
])("takes no %s", (_what, element) => {
  expect(cellReaderOf({ name: "open", ...element })).toBeNull();
});
