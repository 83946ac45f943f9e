import { memoryUsage } from "node:process";
import type { Clock } from "#shared/clock/clock.ts";

export interface ThreadWork {
  /** The module that the thread runs: it answers its one message with one message. */
  module: URL;
  input: unknown;
  limits: ThreadWorkLimits;
  clock: Pick<Clock, "monotonicMs">;
}

export interface ThreadWorkLimits {
  /** Milliseconds until it has to be done. */
  deadlineMs: number;
  /** Bytes by which the whole process may grow meanwhile. */
  memoryBytes: number;
}

/** What came of it. late, grown: it was ended beyond a limit. failed: it threw, or ended by itself. */
export type ThreadOutcome =
  | { kind: "answered"; answer: unknown }
  | { kind: "late" }
  | { kind: "grown" }
  | { kind: "failed" };

/** How often it is looked at: what allocates as fast as it can gets a few dozen megabytes further. */
const LOOK_MS = 20;
/** A longer time between two looks was a freeze; a busy machine takes some. */
const FROZEN_MS = 1_000;

/**
 * Does one piece of work that nobody can vouch for in a thread of its own, which ends with it: whatever the work does, it is
 * over within its deadline and memory, and the process goes on meanwhile. Work of one kind runs one at a time (`CallLimit`), else
 * none could be told whose memory it was. A process that was frozen blames nobody for that time.
 */
export async function runInThread({ module, input, limits, clock }: ThreadWork): Promise<ThreadOutcome> {
  const outcome = Promise.withResolvers<ThreadOutcome>();
  const worker = new Worker(module.href, { smol: true });
  worker.onmessage = ({ data }: MessageEvent<unknown>) => outcome.resolve({ kind: "answered", answer: data });
  worker.onerror = (event) => {
    event.preventDefault();
    outcome.resolve({ kind: "failed" });
  };
  worker.addEventListener("close", () => outcome.resolve({ kind: "failed" }));
  const beganBytes = memoryUsage.rss();
  let seenMs = clock.monotonicMs();
  let spentMs = 0;
  const looking = setInterval(() => {
    const nowMs = clock.monotonicMs();
    spentMs += Math.min(nowMs - seenMs, FROZEN_MS);
    seenMs = nowMs;
    if (spentMs >= limits.deadlineMs) outcome.resolve({ kind: "late" });
    else if (memoryUsage.rss() - beganBytes > limits.memoryBytes) outcome.resolve({ kind: "grown" });
  }, LOOK_MS);
  try {
    worker.postMessage(input);
    return await outcome.promise;
  } finally {
    clearInterval(looking);
    worker.terminate();
  }
}
