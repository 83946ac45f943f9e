import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { DECIDE_SIGNAL, FLATTEN_POSITION } from "#shared/messages/tasks.ts";
import { ORDER_LINGER_MS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { decideSignal } from "./decision/decide-signal.ts";
import { flattenPosition } from "./decision/flatten-position.ts";
import { BOOK_TOPICS, concernsBook, concernsRefusals, followOrders, forgetRefusals } from "./follow-orders.ts";
import { createKillRoutes } from "./kill/kill-routes.ts";
import { createRoutes } from "./routes.ts";
import type { RiskManagerSettings } from "./settings.ts";
import { GROUP, lockNextContext } from "./store.ts";

/** Decides signals as tasks, a session at a time, and keeps each session's book from the orders topic. */
export function createRiskManager(deps: Deps, settings: RiskManagerSettings): Service {
  const running: Running[] = [];
  let started = false;
  return {
    async start() {
      running.push(
        deps.bus.subscribe({
          group: GROUP,
          topics: BOOK_TOPICS,
          lingerMs: ORDER_LINGER_MS,
          concerns: (received) => concernsBook(received) || concernsRefusals(received),
          handle: async (tx, events) => {
            await followOrders(tx, deps, events);
            await forgetRefusals(tx, deps, events);
          },
        }),
        deps.queue.work({
          queue: DECIDE_SIGNAL.queue,
          tasks: [DECIDE_SIGNAL, FLATTEN_POSITION],
          concurrency: settings.R3_RISK_MANAGER_CONCURRENCY,
          mode: "transaction",
          ahead: (tx, lane) => lockNextContext(tx, lane, deps.clock.nowMs()),
          async handle(tx, tasks, ahead) {
            const outcomes = [];
            for (const [index, { type, payload }] of tasks.entries()) {
              // What a task before it has changed is not in it.
              const context = index === 0 ? ahead : null;
              outcomes.push(
                type === "flatten-position"
                  ? await flattenPosition(tx, deps, payload)
                  : await decideSignal(tx, deps, payload.signal, context),
              );
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
    routes: new Elysia()
      .use(createRoutes(deps.db, deps.log))
      .use(createKillRoutes(deps, deps.log))
      .use(createDeadRoutes("risk-manager", deps)),
  };
}
