import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  SESSION_DEGRADED: {
    severity: "warning",
    meaning: "A session runs with something missing: its list `degraded` says what.",
    toDo: "Read the reasons on the session. Its exits go on, except while BOOK_INCOMPLETE is among them; entries are denied or not by its risk policy.",
    ends: "condition",
  },
  SESSION_FAULTED: {
    severity: "critical",
    meaning: "A session is FAULTED: nothing new is sent for it.",
    toDo: "Read the reason on the session; start it again, or stop it. What it holds stays as it is until then.",
    ends: "condition",
  },
});
