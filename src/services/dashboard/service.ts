import type { Deps, Service } from "#shared/service/service.ts";
import { readOverview } from "./overview.ts";
import { createRoutes } from "./routes.ts";
import { startSections } from "./start-page.ts";

/** An instance of the service: it keeps nothing, any answers alike. */
export function createDashboard(deps: Deps): Service {
  let started = false;
  return {
    async start() {
      started = true;
    },
    async stop() {
      started = false;
    },
    notReady: () => (started ? [] : ["its start"]),
    startPage: async () => startSections(await readOverview(deps), deps.clock.nowMs()),
    routes: createRoutes(deps),
  };
}
