import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import type { LaneTx, LeasedLane, TaskOf } from "#shared/queue/queue.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import type { RunRequest } from "./contract.ts";
import { createRoutes } from "./routes.ts";
import type { Settings } from "./settings.ts";
import { RUN_SWEEP } from "./sweep/messages.ts";
import { createSweepRoutes } from "./sweep/routes.ts";
import { type TakenPart, takePart, workPart } from "./sweep/work.ts";
import { SweepThreads } from "./threads/sweep-threads.ts";
import { takeRun, workRun } from "./work.ts";

type BacktestTask = TaskOf<typeof RUN_BACKTEST | typeof RUN_SWEEP>;
/** What a task's first step found. Null: it is over. */
type Taken = { run: RunRequest } | { part: TakenPart } | null;

/** Takes runs and sweeps by REST and works them as tasks: a lane a run, and one a part of a sweep, leased by one worker at a time. */
export function createBacktest(place: { deps: Deps; settings: Settings }): Service {
  const { deps, settings } = place;
  const stopping = new AbortController();
  const threads = new SweepThreads(deps);
  const sweepPlace = { ...place, threads, stopping: stopping.signal };
  let worker: Running | null = null;
  let ready = false;

  async function first(tx: LaneTx, task: BacktestTask): Promise<Taken> {
    if (task.type === "run-sweep") {
      const part = await takePart(tx, task);
      return part === null ? null : { part };
    }
    const run = await takeRun(tx, task);
    return run === null ? null : { run };
  }

  async function handle(lane: LeasedLane, task: BacktestTask, taken: Taken): Promise<void> {
    if (taken === null) return;
    if (task.type === "run-sweep" && "part" in taken) await workPart(sweepPlace, { lane, task, taken: taken.part });
    if (task.type === "run-backtest" && "run" in taken) await workRun(place, { lane, task, request: taken.run });
  }

  return {
    async start() {
      await deps.strategies.load();
      const concurrency = settings.R3_BACKTEST_CONCURRENCY;
      const tasks = [RUN_BACKTEST, RUN_SWEEP] as const;
      worker = deps.queue.work({ queue: RUN_BACKTEST.queue, tasks, concurrency, mode: "lease", first, handle });
      await worker.ready;
      ready = true;
    },
    async stop() {
      ready = false;
      stopping.abort();
      await worker?.close();
      threads.close();
    },
    notReady: () => (ready ? [] : ["its queue"]),
    routes: new Elysia().use(createRoutes(place)).use(createSweepRoutes(place)).use(createDeadRoutes("backtest", deps)),
  };
}
