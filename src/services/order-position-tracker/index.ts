import { defineService } from "#shared/service/service.ts";
import { createOrderPositionTracker } from "./service.ts";
import { orderPositionTrackerSettings } from "./settings.ts";

export const orderPositionTracker = defineService({
  name: "order-position-tracker",
  description: "Places orders, follows fills, keeps positions, ledger and equity",
  settings: orderPositionTrackerSettings,
  create: createOrderPositionTracker,
});
