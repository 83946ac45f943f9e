import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { POSITIONS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { NOTE_POSITION } from "./messages.ts";
import { notePosition } from "./note-position.ts";
import { createRoutes } from "./routes.ts";
import type { TrialSettings } from "./settings.ts";

/** Asks for a task at each change of a position, and works it. */
export function createTrial(deps: Deps, settings: TrialSettings): Service {
  const { bus, queue } = deps;
  const running: Running[] = [];
  let started = false;
  return {
    async start() {
      running.push(
        bus.subscribe({
          group: "trial",
          topics: [POSITIONS],
          async handle(tx, events) {
            for (const { key, data } of events)
              await queue.enqueue(tx, { task: NOTE_POSITION, lane: key, payload: { position: data } });
          },
        }),
        queue.work({
          queue: NOTE_POSITION.queue,
          tasks: [NOTE_POSITION],
          concurrency: 4,
          mode: "transaction",
          async handle(tx, tasks) {
            for (const { payload } of tasks) await notePosition(tx, { deps, settings }, payload.position);
            return tasks.map(() => ({}));
          },
        }),
      );
      await Promise.all(running.map(({ ready }) => ready));
      started = true;
    },
    async stop() {
      started = false;
      for (const one of running.splice(0).reverse()) await one.close();
    },
    notReady: () => (started ? [] : ["its queue and its topic"]),
    routes: new Elysia().use(createRoutes(deps)).use(createDeadRoutes("trial", deps)),
  };
}
