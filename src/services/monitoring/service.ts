import type { Running } from "#shared/bus/bus.ts";
import { HEARTBEATS } from "#shared/messages/topics.ts";
import type { Service } from "#shared/service/service.ts";
import { keepAlerts } from "./alerts/keep-alerts.ts";
import { type Context, createContext } from "./context.ts";
import { createRoutes } from "./routes.ts";
import { keepLooking } from "./rules/look.ts";
import type { MonitoringSettings } from "./settings.ts";

/** An instance of the service: it hears every heartbeat, has its share of the history of alerts, and leads where nobody else does. */
export function createMonitoring(deps: Context["deps"], settings: MonitoringSettings): Service {
  const context = createContext(deps, settings);
  const running: Running[] = [];
  let started = false;
  return {
    async start() {
      running.push(hear(context), keepAlerts(context), keepLooking(context));
      await Promise.all(running.map(({ ready }) => ready));
      started = true;
    },
    async stop() {
      started = false;
      for (const one of running.splice(0).reverse()) await one.close();
    },
    notReady: () => (started ? [] : ["its work"]),
    routes: createRoutes(context),
  };
}

function hear({ deps: { bus, clock }, hearing }: Context): Running {
  return bus.tail({
    topic: HEARTBEATS,
    from: "now",
    handle: (events) =>
      hearing.take(
        events.map(({ data }) => data),
        clock.nowMs(),
      ),
  });
}
