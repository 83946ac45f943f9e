import { AppError } from "#shared/errors/app-error.ts";
import type { ThreadMessage, ThreadTask } from "./run-thread.ts";
import type { Outcome } from "./store.ts";

/** How a run ended: with its outcome, or with a reason that trying again would not change. */
export type ThreadEnd = { kind: "done"; outcome: Outcome } | { kind: "failed"; reason: string };

/**
 * Runs a backtest in a thread of its own and ends the thread with it. `onProgress` hears how many bars are done. Throws
 * (transient) when the thread dies or the signal aborts.
 */
export function runInThread(
  task: ThreadTask,
  signal: AbortSignal,
  onProgress: (bars: number) => void,
): Promise<ThreadEnd> {
  const worker = new Worker(new URL("./run-thread.ts", import.meta.url).href);
  return new Promise<ThreadEnd>((resolve, reject) => {
    const died = (why: string) => reject(new AppError("INTERNAL", "transient", `The backtest's thread ${why}.`));
    worker.onmessage = ({ data }: MessageEvent<ThreadMessage>) => {
      if (data.kind === "progress") onProgress(data.bars);
      else resolve(data);
    };
    worker.onerror = ({ message }) => died(`failed: ${message}`);
    worker.addEventListener("close", () => died("ended"));
    if (signal.aborted) died("was stopped");
    signal.addEventListener("abort", () => died("was stopped"), { once: true });
    worker.postMessage(task);
  }).finally(() => worker.terminate());
}
