import type { SchemaElement } from "hyparquet";
import { ByteWriter, type ColumnSource, ParquetWriter } from "hyparquet-writer";
import type { Series } from "#services/market-data/series/series.ts";
import type { AmountDigits, Store } from "#services/market-data/store.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { ExportQuery } from "./file-schemas.ts";

/** Candles of a row group: read at once, and encoded at a stretch, some 30 ms. */
const GROUP = 10_000;
/** Candles whose digits are counted in one statement. */
const COUNTED = 50_000;
/** Digits of a decimal that is stored in eight bytes, and of the longest one that pandas, polars and DuckDB read. */
const SHORT = 18;
const LONG = 38;

const AMOUNTS = ["open", "high", "low", "close", "volume"] as const;
type Amount = (typeof AMOUNTS)[number];

/**
 * Closed candles as a Parquet file, row group by row group as they are read. Prices and volume are DECIMAL with the places that the
 * candles need, of 18 digits or of 38; a column that needs more is text. So nothing is rounded. What is added meanwhile is not in it.
 */
export async function parquetOf(store: Store, series: Series, query: ExportQuery): Promise<ReadableStream> {
  const toN = Math.min(query.toN ?? series.headN, series.headN);
  const range = { ...series, toN };
  let fromN = Math.max(query.fromN ?? series.firstN, series.firstN);
  const digits = await countDigits(store, { ...range, fromN });
  const bytes = new ByteWriter();
  const file = new ParquetWriter({ writer: bytes, schema: schemaOf(digits), createdBy: "r3edge-engine" });
  return new ReadableStream({
    async pull(controller) {
      const page =
        fromN > toN ? [] : await store.candles({ ...series, fromN, limit: Math.min(GROUP, toN - fromN + 1) });
      if (page.length > 0) await file.write({ columnData: columnsOf(page, digits), rowGroupSize: GROUP });
      else await file.finish();
      controller.enqueue(bytes.getBytes().slice());
      bytes.index = 0;
      if (page.length === 0) controller.close();
      fromN = (page.at(-1)?.n ?? toN) + 1;
    },
  });
}

type Digits = Readonly<Record<Amount, AmountDigits>>;

/** In parts, each of which Postgres counts in time. */
async function countDigits(store: Store, range: { fromN: number; toN: number } & Series): Promise<Digits> {
  const most = Object.fromEntries(AMOUNTS.map((name) => [name, { whole: 1, places: 0 }])) as Record<
    Amount,
    AmountDigits
  >;
  for (let fromN = range.fromN; fromN <= range.toN; fromN += COUNTED) {
    const part = await store.digits({ ...range, fromN, toN: Math.min(range.toN, fromN + COUNTED - 1) });
    for (const name of AMOUNTS) {
      const { whole, places } = part[name];
      most[name] = { whole: Math.max(most[name].whole, whole), places: Math.max(most[name].places, places) };
    }
  }
  return most;
}

function schemaOf(digits: Digits): SchemaElement[] {
  const required = { repetition_type: "REQUIRED" } as const;
  const utc = { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" } as const;
  return [
    { name: "candles", num_children: AMOUNTS.length + 2 },
    { name: "date", type: "INT64", converted_type: "TIMESTAMP_MILLIS", logical_type: utc, ...required },
    ...AMOUNTS.map((name): SchemaElement => ({ name, ...required, ...typeOf(digits[name]) })),
    { name: "n", type: "INT32", ...required },
  ];
}

function typeOf({ whole, places: scale }: AmountDigits): Omit<SchemaElement, "name"> {
  if (whole + scale > LONG) return { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } };
  const isShort = whole + scale <= SHORT;
  const precision = isShort ? SHORT : LONG;
  const logical = { type: "DECIMAL", precision, scale } as const;
  const decimal = { converted_type: "DECIMAL", logical_type: logical, precision, scale } as const;
  return isShort ? { type: "INT64", ...decimal } : { type: "FIXED_LEN_BYTE_ARRAY", type_length: 16, ...decimal };
}

function columnsOf(candles: readonly Candle[], digits: Digits): ColumnSource[] {
  return [
    { name: "date", data: candles.map(({ openAtMs }) => BigInt(openAtMs)), encoding: "DELTA_BINARY_PACKED" },
    ...AMOUNTS.map((name): ColumnSource => {
      const { whole, places } = digits[name];
      const isText = whole + places > LONG;
      return { name, data: candles.map((candle) => (isText ? candle[name] : unscaled(candle[name], places))) };
    }),
    { name: "n", data: candles.map(({ n }) => n), encoding: "DELTA_BINARY_PACKED" },
  ];
}

/** A plain decimal as a whole number of its last place. */
function unscaled(text: string, places: number): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(places, "0"));
}
