import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createRoutes } from "./routes.ts";
import type { Settings } from "./settings.ts";
import { takeRun, workRun } from "./work.ts";

/** Takes runs by REST and works them as tasks: a lane a run, leased by one worker at a time. */
export function createBacktest(place: { deps: Deps; settings: Settings }): Service {
  let worker: Running | null = null;
  let ready = false;
  return {
    async start() {
      await place.deps.strategies.load();
      worker = place.deps.queue.work({
        queue: RUN_BACKTEST.queue,
        tasks: [RUN_BACKTEST],
        concurrency: place.settings.R3_BACKTEST_CONCURRENCY,
        mode: "lease",
        first: takeRun,
        handle: async (lane, task, request) => {
          if (request !== null) await workRun(place, { lane, task, request });
        },
      });
      await worker.ready;
      ready = true;
    },
    async stop() {
      ready = false;
      await worker?.close();
    },
    notReady: () => (ready ? [] : ["its queue"]),
    routes: new Elysia().use(createRoutes(place)).use(createDeadRoutes("backtest", place.deps)),
  };
}
