import { defineService } from "#shared/service/service.ts";
import { createDashboard } from "./service.ts";
import { dashboardSettings } from "./settings.ts";

/** Shows a person what the engine does: its start page and the board of its queues; see README.md. */
export const dashboard = defineService({
  name: "dashboard",
  description: "Start page of the engine, and the board of its task queues",
  scaling: "stateless replicas",
  needs: "engine",
  topics: { in: [], out: [] },
  tasks: { works: [], asks: [] },
  alerts: {},
  settings: dashboardSettings,
  create: (deps) => createDashboard(deps),
});
