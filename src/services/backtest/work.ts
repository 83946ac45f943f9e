import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { FieldError } from "#shared/errors/field-error.ts";
import type { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import type { LaneTx, LeasedLane, TaskOf } from "#shared/queue/queue.ts";
import type { Deps } from "#shared/service/service.ts";
import { faultsOfStrategy } from "#shared/strategy/registry.ts";
import type { RunRequest } from "./contract.ts";
import { loadCandles } from "./load-candles.ts";
import type { Settings } from "./settings.ts";
import { beginRun, failRun, finishRun, lockRunning, type Outcome, writeProgress } from "./store.ts";
import { runInThread } from "./threads/run-in-thread.ts";

type RunTask = TaskOf<typeof RUN_BACKTEST>;

/** So often a run is looked at from outside its thread. */
const LOOK_EVERY_MS = 500;

/** The task's first step: the run is RUNNING from the moment its lane is leased. Null: it was over. */
export async function takeRun(tx: LaneTx, task: RunTask): Promise<RunRequest | null> {
  const { runId } = task.payload;
  const request = await beginRun(tx, runId);
  if (request === null) tx.complete(task, { runId, state: "over" });
  return request;
}

/**
 * Reads the candles, runs the backtest in a thread and writes its outcome in one step: a worker that dies leaves nothing
 * behind, and the next one begins anew. What trying again would not change is the run's failure; all else is thrown.
 */
export async function workRun(
  place: { deps: Deps; settings: Settings },
  at: { lane: LeasedLane; task: RunTask; request: RunRequest },
): Promise<void> {
  const { lane, task, request } = at;
  const { deps } = place;
  const { runId } = task.payload;
  const end = await attempt(() => run(place, lane, { runId, request }));
  await lane.step(async (tx) => {
    const atMs = deps.clock.nowMs();
    if (!(await lockRunning(tx, runId))) {
      tx.complete(task, { runId, state: "canceled" });
      return;
    }
    if (end.kind === "done") await finishRun(tx, runId, end, atMs);
    else await failRun(tx, runId, end.reason, atMs);
    const orders = end.kind === "done" ? end.outcome.orders.length : 0;
    tx.complete(task, { runId, state: end.kind, orders });
  });
}

/** How a run ended: with its outcome, or with a reason that trying again would not change. */
type RunEnd =
  | { kind: "done"; outcome: Outcome; barsReason: string; strategyVersion: string }
  | { kind: "failed"; reason: string };

async function run(
  { deps, settings }: { deps: Deps; settings: Settings },
  lane: LeasedLane,
  { runId, request }: { runId: string; request: RunRequest },
): Promise<RunEnd> {
  const { clients, strategies } = deps;
  const watch = watchRun(deps, lane, { runId, deadlineS: settings.R3_BACKTEST_DEADLINE_S });
  try {
    const faults = faultsOfStrategy(await strategies.check(request));
    const info = strategies.find(request.strategy);
    if (faults.length > 0 || info === null) return { kind: "failed", reason: problemOf(faults) };
    const instrument = await clients.marketData.instrument(request.instrumentId);
    if (instrument === null) return { kind: "failed", reason: `The instrument ${request.instrumentId} is not known.` };
    const limits = { maxBars: settings.R3_BACKTEST_MAX_BARS, signal: watch.signal };
    const { columns, firstN, reason } = await loadCandles(clients.marketData, request, limits);
    const { file, texts } = info;
    const task = { request, file, texts, instrument, columns, firstN };
    const onProgress = (bars: number) => watch.onProgress(bars / columns.length);
    const outcome = await runInThread(strategies, task, { signal: watch.signal, onProgress });
    return { kind: "done", outcome, barsReason: reason, strategyVersion: info.version };
  } finally {
    await watch.close();
  }
}

/** Why a request cannot be run here. */
export function problemOf(faults: readonly FieldError[]): string {
  return `Here the request cannot be run: ${faults.map(({ field, message }) => `${field} ${message}`).join("; ")}.`;
}

/** Failures that stay are how a run ends; the others go back to the queue, which tries again. */
async function attempt(work: () => Promise<RunEnd>): Promise<RunEnd> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== "permanent" || error.code === "FENCED") throw error;
    return { kind: "failed", reason: messageOf(error) };
  }
}

/**
 * Watches a run: writes how far it is twice a second, and ends it once it was canceled or its deadline has passed. A
 * progress that could not be written is only not shown.
 */
function watchRun({ clock, log }: Deps, lane: LeasedLane, { runId, deadlineS }: { runId: string; deadlineS: number }) {
  const over = new AbortController();
  const closing = new AbortController();
  const endAtMs = clock.monotonicMs() + deadlineS * 1_000;
  let done = 0;
  const end = (told: string) => over.abort(new AppError("DEADLINE_PASSED", "permanent", told));
  const watching = (async () => {
    while (!closing.signal.aborted && !lane.signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, closing.signal);
      if (closing.signal.aborted) return;
      if (clock.monotonicMs() > endAtMs)
        end(`It took longer than its deadline of ${deadlineS} s (R3_BACKTEST_DEADLINE_S).`);
      const goesOn = await lane
        .step((tx) => writeProgress(tx, runId, done))
        .catch((error: unknown) => {
          log.debug({ runId, error: messageOf(error) }, "progress was not written");
          return true;
        });
      if (!goesOn) end("It was canceled.");
    }
  })();
  return {
    signal: AbortSignal.any([lane.signal, over.signal]),
    onProgress: (share: number) => {
      done = share;
    },
    close: () => {
      closing.abort();
      return watching;
    },
  };
}
