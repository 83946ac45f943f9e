import { ALERTS, POSITIONS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { TEMPLATE_NOTES } from "./messages.ts";
import { scaling } from "./scaling/load-balancing.ts";
import { createTemplate } from "./service.ts";
import { templateSettings } from "./settings.ts";

/** Notes the newest position of each session; see README.md. */
export const template = defineService({
  name: "template",
  description: "Notes the newest position of each session",
  scaling: scaling.words,
  needs: "engine",
  topics: { in: [POSITIONS], out: [TEMPLATE_NOTES, ALERTS] },
  tasks: scaling.tasks,
  alerts,
  settings: templateSettings,
  create: (deps, settings) => createTemplate({ deps, settings }, scaling),
});
