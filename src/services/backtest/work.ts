import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import type { Deps } from "#shared/service/service.ts";
import { checkStrategy, faultsOfStrategy } from "#shared/strategy/registry.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import type { RunRequest } from "./contract.ts";
import { loadCandles } from "./load-candles.ts";
import type { Settings } from "./settings.ts";
import { beginRun, failRun, finishRun, writeProgress } from "./store.ts";
import { runInThread, type ThreadEnd } from "./thread.ts";

const PROGRESS_EVERY_MS = 500;

/** The task's first step: the run is RUNNING from the moment its lane is leased. Null: it was over. */
export async function takeRun(tx: LaneTx, task: Task): Promise<RunRequest | null> {
  const { runId } = RUN_BACKTEST.payload.parse(task.payload);
  const request = await beginRun(tx, runId);
  if (request === null) tx.complete(task, { runId, state: "over" });
  return request;
}

/**
 * Reads the candles, runs the backtest in a thread and writes its outcome in one step, so that a worker that dies leaves
 * nothing behind and the next one begins anew. What trying again would not change is the run's failure; all else is thrown.
 */
export async function workRun(
  { deps, settings, strategies }: { deps: Deps; settings: Settings; strategies: readonly StrategyDefinition[] },
  at: { lane: LeasedLane; task: Task; request: RunRequest },
): Promise<void> {
  const { lane, task, request } = at;
  const { runId } = RUN_BACKTEST.payload.parse(task.payload);
  const end = await attempt(async () => {
    const problem = problemOf(strategies, request);
    if (problem !== null) return { kind: "failed", reason: problem };
    const instrument = await deps.clients.marketData.instrument(request.instrumentId);
    if (instrument === null) return { kind: "failed", reason: `The instrument ${request.instrumentId} is not known.` };
    const limits = { maxBars: settings.R3_BACKTEST_MAX_BARS, signal: lane.signal };
    const { columns, firstN } = await loadCandles(deps.clients.marketData, request, limits);
    const tell = progressOf(deps, lane, runId, columns.length);
    return runInThread({ request, instrument, columns, firstN }, lane.signal, tell);
  });
  await lane.step(async (tx) => {
    const atMs = deps.clock.nowMs();
    if (end.kind === "done") await finishRun(tx, runId, end.outcome, atMs);
    else await failRun(tx, runId, end.reason, atMs);
    const orders = end.kind === "done" ? end.outcome.orders.length : 0;
    tx.complete(task, { runId, state: end.kind, orders });
  });
}

/** Why a request cannot be run here. Null: it can. */
export function problemOf(strategies: readonly StrategyDefinition[], request: RunRequest): string | null {
  const faults = faultsOfStrategy(checkStrategy(strategies, request));
  if (faults.length === 0) return null;
  return `Here the request cannot be run: ${faults.map(({ field, message }) => `${field} ${message}`).join("; ")}.`;
}

/** Failures that stay are how a run ends; the others go back to the queue, which tries again. */
async function attempt(run: () => Promise<ThreadEnd>): Promise<ThreadEnd> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== "permanent" || error.code === "FENCED") throw error;
    return { kind: "failed", reason: messageOf(error) };
  }
}

/** Writes how far a run is, at most every half second and one at a time; a write that fails is only a progress not told. */
function progressOf(deps: Deps, lane: LeasedLane, runId: string, bars: number): (done: number) => void {
  let toldAtMs = deps.clock.monotonicMs();
  let writing = false;
  return (done) => {
    const nowMs = deps.clock.monotonicMs();
    if (writing || nowMs - toldAtMs < PROGRESS_EVERY_MS) return;
    toldAtMs = nowMs;
    writing = true;
    void lane
      .step((tx) => writeProgress(tx, runId, done / bars))
      .catch((error: unknown) => deps.log.debug({ runId, error: messageOf(error) }, "progress was not written"))
      .finally(() => {
        writing = false;
      });
  };
}
