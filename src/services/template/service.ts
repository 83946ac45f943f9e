import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import type { Service } from "#shared/service/service.ts";
import type { Place, Scaling } from "./place.ts";
import { createRoutes } from "./routes.ts";

/** An instance of the service: its REST, and what it runs to have its share of the work. */
export function createTemplate(place: Place, scaling: Scaling): Service {
  const { deps } = place;
  const running: Running[] = [];
  let started = false;
  return {
    async start() {
      running.push(...scaling.begin(place));
      await Promise.all(running.map(({ ready }) => ready));
      started = true;
    },
    async stop() {
      started = false;
      for (const one of running.splice(0).reverse()) await one.close();
    },
    notReady: () => (started ? [] : ["its work"]),
    routes: new Elysia().use(createRoutes(deps)).use(createDeadRoutes("template", deps)),
  };
}
