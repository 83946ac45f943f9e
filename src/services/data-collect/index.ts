import { defineService } from "#shared/service/service.ts";
import { createDataCollect } from "./service.ts";
import { dataCollectSettings } from "./settings.ts";

/** Live market data from the venues, and what closes its holes. */
export const dataCollect = defineService({
  name: "data-collect",
  description: "Follows the venues: live bars and trades, history and holes by REST",
  settings: dataCollectSettings,
  create: createDataCollect,
});
