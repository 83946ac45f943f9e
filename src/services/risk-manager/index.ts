import { defineService } from "#shared/service/service.ts";
import { createRiskManager } from "./service.ts";
import { riskManagerSettings } from "./settings.ts";

export const riskManager = defineService({
  name: "risk-manager",
  description: "Validates and sizes every order before it is made",
  settings: riskManagerSettings,
  create: createRiskManager,
});
