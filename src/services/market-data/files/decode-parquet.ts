import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { type DecodedArray, type FileMetaData, parquetMetadata, parquetRead, parquetSchema } from "hyparquet";
import { BAR_COLUMNS, type BarColumn, type BarTexts, tooManyBars } from "#shared/candles/bar-rows.ts";
import { cellReaderOf } from "./parquet-cells.ts";

const UNREADABLE = "it is no Parquet file, or it is damaged";
const CODECS = ["UNCOMPRESSED", "SNAPPY", "ZSTD", "GZIP", "BROTLI"];
/** What a page may expand to: a page of 50,000 texts has less. */
const MOST_PAGE_BYTES = 32_000_000;

/** A page that lies about its size is stopped while it is expanded. */
function expandedBy(expand: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) {
  return (bytes: Uint8Array, size: number): Uint8Array =>
    expand(bytes, { maxOutputLength: Math.min(size, MOST_PAGE_BYTES) });
}
const compressors = {
  ZSTD: expandedBy(zstdDecompressSync),
  GZIP: expandedBy(gunzipSync),
  BROTLI: expandedBy(brotliDecompressSync),
};

class Refused extends Error {
  constructor(readonly faults: string[]) {
    super();
  }
}

/**
 * The cells of the columns that a file of bars has; else what is wrong with it as a whole, phrases that go behind "It cannot be
 * taken: ". It believes what the file says of itself: for a thread with a deadline and a memory of its own.
 */
export async function decodeParquet(file: ArrayBuffer, most: number): Promise<BarTexts | { faults: string[] }> {
  return await textsOf(file, most).catch((error: unknown) => {
    return { faults: error instanceof Refused ? error.faults : [UNREADABLE] };
  });
}

async function textsOf(file: ArrayBuffer, most: number): Promise<BarTexts> {
  const metadata = parquetMetadata(file, { geoparquet: false });
  const readers = readersOf(metadata);
  checkChunks(metadata, file.byteLength);
  const rows = metadata.row_groups.reduce((sum, { num_rows: count }) => sum + Number(count), 0);
  if (rows > most) throw new Refused([tooManyBars(most).message]);
  const chunks: { columnName: string; columnData: DecodedArray }[] = [];
  await parquetRead({
    file,
    metadata: bare(metadata),
    columns: [...BAR_COLUMNS],
    compressors,
    utf8: false,
    parsers: { timestampFromNanoseconds: (nanos) => nanos },
    onChunk: (chunk) => void chunks.push(chunk),
  });
  const cellsOf = (name: BarColumn): (string | null)[] => {
    const own = chunks.filter(({ columnName }) => columnName === name);
    const texts = own.flatMap(({ columnData }) => Array.from<unknown, string | null>(columnData, readers[name]));
    if (texts.length !== rows) throw new Refused([UNREADABLE]);
    return texts;
  };
  const prices = { open: cellsOf("open"), high: cellsOf("high"), low: cellsOf("low"), close: cellsOf("close") };
  return { date: cellsOf("date"), ...prices, volume: cellsOf("volume") };
}

type Readers = Record<BarColumn, NonNullable<ReturnType<typeof cellReaderOf>>>;

function readersOf(metadata: FileMetaData): Readers {
  const { children } = parquetSchema(metadata);
  const faults: string[] = [];
  const readers: Partial<Readers> = {};
  for (const name of BAR_COLUMNS) {
    const column = children.find(({ element }) => element.name === name);
    const reader = column === undefined ? null : cellReaderOf(column.element);
    if (column === undefined) faults.push(`there is no column "${name}"`);
    else if (reader === null) faults.push(`its column "${name}" holds no numbers, times or texts that are taken`);
    else readers[name] = reader;
  }
  if (faults.length > 0) throw new Refused(faults);
  return readers as Readers;
}

/** No part of a file is in two chunks of it, and each is compressed in a way that is known. */
function checkChunks({ row_groups: groups }: FileMetaData, bytes: number): void {
  let left = BigInt(bytes);
  if (groups.some(({ num_rows: count }) => count < 0n)) throw new Refused([UNREADABLE]);
  for (const { meta_data: chunk } of groups.flatMap(({ columns }) => columns)) {
    if (chunk === undefined) continue;
    if (chunk.total_compressed_size < 0n) throw new Refused([UNREADABLE]);
    left -= chunk.total_compressed_size;
    if (left < 0n) throw new Refused([UNREADABLE]);
    if (!CODECS.includes(chunk.codec))
      throw new Refused([`it is compressed with ${chunk.codec}: write it with snappy, zstd, gzip, brotli or none`]);
  }
}

/** The same without what columns mean: the reader would make floats of decimals, and lose a digit. */
function bare(metadata: FileMetaData): FileMetaData {
  const names: readonly string[] = BAR_COLUMNS;
  const schema = metadata.schema.map((element) => {
    if (element.type === undefined || !names.includes(element.name)) return element;
    const { converted_type: _converted, logical_type: _logical, ...stored } = element;
    return stored;
  });
  return { ...metadata, schema };
}
