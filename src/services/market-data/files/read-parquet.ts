import { type ReadRows, readBarColumnsInTurns, tooManyBars } from "#shared/candles/bar-rows.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { runInThread, type ThreadOutcome } from "#shared/concurrency/run-in-thread.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { ParquetAnswer, ParquetRequest } from "./parquet-thread.ts";

const MODULE = new URL("./parquet-thread.ts", import.meta.url);
/** 50,000 rows take a second or two and 160 MB. */
const LIMITS = { deadlineMs: 10_000, memoryBytes: 400_000_000 };

/** Files wait for one another: two at once, and neither could be told whose memory grows. */
const limit = new CallLimit({ service: "market-data", atOnce: 1, inLine: 4 });

/**
 * Reads bars from a Parquet file with the columns date, open, high, low, close and volume; others are overlooked. A file may say
 * anything of itself, so it is decoded in a thread with a deadline and a memory of its own. SERVICE_UNAVAILABLE: too many are waiting.
 */
export async function readParquet(
  file: ArrayBuffer,
  clock: Clock,
  { most, timeFrame }: { most: number; timeFrame: TimeFrame },
): Promise<ReadRows> {
  const input: ParquetRequest = { file, most };
  const work = { module: MODULE, input, limits: LIMITS, clock };
  const outcome = await limit.run(new AbortController().signal, () => runInThread(work));
  if (outcome.kind !== "answered") return refused([SENTENCES[outcome.kind]]);
  const answer = outcome.answer as ParquetAnswer;
  if (answer.kind === "too-many") return { rows: [], faults: [tooManyBars(most)] };
  if (answer.kind === "faults") return refused(answer.faults);
  return await readBarColumnsInTurns(answer.columns, timeFrame);
}

const SENTENCES: Readonly<Record<Exclude<ThreadOutcome["kind"], "answered">, string>> = {
  late: `it could not be read within ${LIMITS.deadlineMs / 1_000} seconds`,
  grown: `reading it took more than ${LIMITS.memoryBytes / 1e6} MB of memory`,
  failed: "it is no Parquet file, or it is damaged",
};

function refused(messages: readonly string[]): ReadRows {
  return { rows: [], faults: messages.map((message) => ({ line: null, message })) };
}
