import { ALERTS, POSITIONS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { NOTE_POSITION, TRIAL_NOTES } from "./messages.ts";
import { createTrial } from "./service.ts";
import { trialSettings } from "./settings.ts";

/** The smallest service there can be; see README.md. */
export const trial = defineService({
  name: "trial",
  description: "Notes the newest position of each session",
  scaling: "task queue",
  needs: "engine",
  topics: { in: [POSITIONS], out: [TRIAL_NOTES, ALERTS] },
  tasks: { works: [NOTE_POSITION], asks: [NOTE_POSITION] },
  alerts,
  settings: trialSettings,
  create: createTrial,
});
