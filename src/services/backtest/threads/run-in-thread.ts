import type { Outcome } from "#services/backtest/store.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import { NOBODY } from "#shared/strategy-threads/watched-thread.ts";
import { INSTANCE_ID, type ThreadTask } from "./thread-task.ts";

const MODULE = new URL("./run-thread.ts", import.meta.url);

/**
 * Runs a backtest in a thread of its own and ends the thread with it. `onProgress` hears how many bars are done. Throws the
 * signal's reason where it aborts, STRATEGY_FAILED where the strategy fails, throws late or does not come back.
 */
export async function runInThread(
  strategies: StrategyHost,
  task: ThreadTask,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bars: number) => void },
): Promise<Outcome> {
  signal.throwIfAborted();
  const thread = strategies.thread(MODULE);
  const stop = () => thread.end({ instanceId: NOBODY, told: "The run was ended." });
  signal.addEventListener("abort", stop, { once: true });
  try {
    return (await thread.ask(INSTANCE_ID, task, (bars) => onProgress(bars as number))) as Outcome;
  } catch (error) {
    if (signal.aborted && signal.reason instanceof AppError) throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}
