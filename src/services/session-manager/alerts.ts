import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  SESSION_DEGRADED: {
    severity: "warning",
    meaning: "A session runs with something missing: its list `degraded` says what.",
    toDo: "The alert says it of each reason that the session has, as the table of what a session can run without does. Its risk policy says what becomes of entries.",
    ends: "condition",
  },
  SESSION_FAULTED: {
    severity: "critical",
    meaning: "A session is FAULTED: nothing new is sent for it.",
    toDo: "Read the reason on the session; start it again, or stop it. What it holds stays as it is until then.",
    ends: "condition",
  },
});
