import { ALERTS, HEARTBEATS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createMonitoring } from "./service.ts";
import { monitoringSettings } from "./settings.ts";

/** Sees how services and data flows are, and tells by rules what a person should know; see README.md. */
export const monitoring = defineService({
  name: "monitoring",
  description: "Sees how services, events, tasks and leaders are, and raises alerts by rules",
  scaling: "one leader looks; any instance answers",
  needs: "engine",
  topics: { in: [HEARTBEATS, ALERTS], out: [ALERTS] },
  tasks: { works: [], asks: [] },
  alerts,
  settings: monitoringSettings,
  create: createMonitoring,
});
