import { type ReadRows, readBarColumns, readBarRows } from "#shared/candles/bar-rows.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { decodeParquet } from "./decode-parquet.ts";

/** What the thread is asked. */
export interface FileRequest {
  form: "csv" | "parquet";
  file: ArrayBuffer;
  timeFrame: TimeFrame;
  /** Bars that it may hold. */
  most: number;
}

/** What it answers: `ReadRows` in parts, each as JSON, since a message is unpacked at a stretch. */
export type FileAnswer = readonly string[];

/** Rows and faults of a part. */
const PART = 1_000;

addEventListener("message", ({ data }: MessageEvent<FileRequest>) => {
  void read(data).then((rows) => globalThis.postMessage(partsOf(rows)));
});

async function read({ form, file, timeFrame, most }: FileRequest): Promise<ReadRows> {
  if (form === "csv") return readBarRows(new TextDecoder().decode(file), { timeFrame, most });
  const decoded = await decodeParquet(file, most);
  if ("faults" in decoded) return { rows: [], faults: decoded.faults.map((message) => ({ line: null, message })) };
  return readBarColumns(decoded, timeFrame);
}

function partsOf({ rows, faults }: ReadRows): FileAnswer {
  const parts: string[] = [];
  for (let from = 0; from < Math.max(rows.length, faults.length); from += PART) {
    const part: ReadRows = { rows: rows.slice(from, from + PART), faults: faults.slice(from, from + PART) };
    parts.push(JSON.stringify(part));
  }
  return parts;
}
