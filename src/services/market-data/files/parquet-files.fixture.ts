import { gzipSync } from "node:zlib";
import type { CompressionCodec } from "hyparquet";
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";

/** Cells of the columns that a file of bars has; a row a minute from 1970 on, where nothing else is said. */
export type Columns = Partial<Record<"date" | "open" | "high" | "low" | "close" | "volume", ColumnSource["data"]>>;

type WriteOptions = Parameters<typeof parquetWriteBuffer>[0];
interface FileOptions extends Omit<WriteOptions, "columnData" | "writer"> {
  /** By column, where it is another one than the file's. */
  codecs?: Record<string, CompressionCodec>;
}

/** A Parquet file of so many rows, in the types that the writer finds for the values. */
export function fileOf(
  rows: number,
  columns: Columns = {},
  { codec = "SNAPPY", codecs = {}, ...options }: FileOptions = {},
): ArrayBuffer {
  const cells = (make: (row: number) => unknown) => Array.from({ length: rows }, (_, row) => make(row));
  const data: Columns = {
    date: cells((row) => new Date(row * 60_000)),
    open: cells(() => "10"),
    high: cells(() => "12.5"),
    low: cells(() => "9.5"),
    close: cells(() => "10"),
    volume: cells(() => "3.25"),
    ...columns,
  };
  const columnData = Object.entries(data).map(
    ([name, values]): ColumnSource => ({
      name,
      data: values,
      codec: codecs[name] ?? codec,
    }),
  );
  return parquetWriteBuffer({ columnData, ...options });
}

/** A sound file but for the indexes of its texts in their dictionary, which are these bytes, compressed. */
export function fileOfIndexes(indexes: Uint8Array): ArrayBuffer {
  const open = Array.from({ length: 2_000 }, (_, row) => (row % 2 === 0 ? "10" : "11"));
  let pages = 0;
  const GZIP = (bytes: Uint8Array) => {
    const forged = new Uint8Array(Math.max(bytes.length, indexes.length));
    forged.set(indexes);
    return gzipSync((pages += 1) === 1 ? bytes : forged);
  };
  return fileOf(open.length, { open }, { compressors: { GZIP }, codecs: { open: "GZIP" } });
}

/** A file whose footer is these bytes. */
export function fileOfFooter(footer: Uint8Array): ArrayBuffer {
  const bytes = new Uint8Array(footer.length + 12);
  bytes.set(new TextEncoder().encode("PAR1"));
  bytes.set(footer, 4);
  new DataView(bytes.buffer).setUint32(footer.length + 4, footer.length, true);
  bytes.set(new TextEncoder().encode("PAR1"), footer.length + 8);
  return bytes.buffer;
}
