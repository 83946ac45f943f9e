import { setImmediate } from "node:timers/promises";
import type { ReadRows } from "#shared/candles/bar-rows.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { runInThread } from "#shared/concurrency/run-in-thread.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { FileAnswer, FileRequest } from "./file-thread.ts";

const MODULE = new URL("./file-thread.ts", import.meta.url);
/** 50,000 bars take a second or two and 160 MB. */
const LIMITS = { deadlineMs: 10_000, memoryBytes: 400_000_000 };

/** Files wait for one another: two at once, and neither could be told whose memory grows. */
const limit = new CallLimit({ service: "market-data", atOnce: 1, inLine: 4 });

/**
 * Reads bars from a file with the columns date, open, high, low, close and volume; others are overlooked. A file may be anything
 * and say anything of itself, so it is read in a thread with a deadline and a memory of its own, and the process goes on meanwhile.
 * SERVICE_UNAVAILABLE: too many are waiting, or the process grew too much meanwhile, which other work of it may have done.
 */
export async function readFile(request: FileRequest, clock: Clock): Promise<ReadRows> {
  const work = { module: MODULE, input: request, limits: LIMITS, clock };
  const outcome = await limit.run(new AbortController().signal, () => runInThread(work));
  if (outcome.kind === "answered") return await joined(outcome.answer as FileAnswer);
  if (outcome.kind === "grown") throw new AppError("SERVICE_UNAVAILABLE", "transient", GROWN);
  return { rows: [], faults: [{ line: null, message: SENTENCES[outcome.kind] }] };
}

const GROWN = `The process took more than ${LIMITS.memoryBytes / 1e6} MB of memory while it read the file: try again, or with a smaller file.`;
const SENTENCES = {
  late: `it could not be read within ${LIMITS.deadlineMs / 1_000} seconds`,
  failed: "it could not be read: it is damaged, or no such file at all",
} as const;

/** Others have their turn after each part. */
async function joined(parts: FileAnswer): Promise<ReadRows> {
  const all: ReadRows = { rows: [], faults: [] };
  for (const part of parts) {
    const { rows, faults } = JSON.parse(part) as ReadRows;
    all.rows.push(...rows);
    all.faults.push(...faults);
    await setImmediate();
  }
  return all;
}
