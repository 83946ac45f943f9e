import type { Running } from "#shared/bus/bus.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { ORDERS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { decideSignal } from "./decide-signal.ts";
import { followOrders } from "./follow-orders.ts";
import { createRoutes } from "./routes.ts";
import type { RiskManagerSettings } from "./settings.ts";

/** An order's events come milliseconds apart: together they are one commit. */
const LINGER_MS = 5;

/** Decides signals as tasks, a session at a time, and keeps each session's book from the orders topic. */
export function createRiskManager(deps: Deps, settings: RiskManagerSettings): Service {
  const running: Running[] = [];
  let started = false;
  return {
    async start() {
      running.push(
        deps.bus.subscribe({
          group: "risk-manager",
          topics: [ORDERS],
          lingerMs: LINGER_MS,
          handle: (tx, events) => followOrders(tx, deps, events),
        }),
        deps.queue.work({
          queue: DECIDE_SIGNAL.queue,
          tasks: [DECIDE_SIGNAL],
          concurrency: settings.R3_RISK_MANAGER_CONCURRENCY,
          mode: "transaction",
          async handle(tx, tasks) {
            const outcomes = [];
            for (const task of tasks) {
              const { signal } = DECIDE_SIGNAL.payload.parse(task.payload);
              outcomes.push(await decideSignal(tx, deps, signal));
            }
            return outcomes;
          },
        }),
      );
      await Promise.all(running.map((one) => one.ready));
      started = true;
    },
    async stop() {
      started = false;
      for (const one of running.splice(0).reverse()) await one.close();
    },
    notReady: () => (started ? [] : ["its queue and its topics"]),
    routes: createRoutes(deps.db, deps.log),
  };
}
