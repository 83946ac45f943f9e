import { DECIDE_SIGNAL, FLATTEN_POSITION, FLATTEN_SESSION, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { ALERTS, ORDERS, SESSION_REPORTS, SESSIONS, SIGNALS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createRiskManager } from "./service.ts";
import { riskManagerSettings } from "./settings.ts";

export const riskManager = defineService({
  name: "risk-manager",
  description: "Validates and sizes every order before it is made",
  scaling: "task queue",
  needs: "engine",
  topics: { in: [ORDERS, SESSIONS], out: [SIGNALS, ORDERS, SESSION_REPORTS, ALERTS] },
  tasks: { works: [DECIDE_SIGNAL, FLATTEN_POSITION], asks: [PLACE_ORDER, FLATTEN_SESSION] },
  alerts,
  settings: riskManagerSettings,
  create: createRiskManager,
});
