import { ALERTS, SESSION_REPORTS, SESSIONS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createSessionManager } from "./service.ts";
import { settings } from "./settings.ts";

/** Owns sessions and their state machine. Stateless: any number of replicas. */
export const sessionManager = defineService({
  name: "session-manager",
  description: "Creates, starts, pauses, resumes, stops and deletes sessions; owns their state machine",
  scaling: "stateless replicas",
  needs: "engine",
  topics: { in: [SESSION_REPORTS], out: [SESSIONS, ALERTS] },
  tasks: { works: [], asks: [] },
  alerts,
  settings,
  create: createSessionManager,
});
