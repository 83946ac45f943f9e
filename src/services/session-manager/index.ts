import { defineService } from "#shared/service/service.ts";
import { createSessionManager } from "./service.ts";
import { settings } from "./settings.ts";

/** Owns sessions and their state machine. Stateless: any number of replicas. */
export const sessionManager = defineService({
  name: "session-manager",
  description: "Creates, starts, pauses, resumes, stops and deletes sessions; owns their state machine",
  settings,
  create: createSessionManager,
});
