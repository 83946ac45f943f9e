import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  TEMPLATE_LARGE_POSITION: {
    severity: "warning",
    meaning: "A session holds a position that is larger than R3_TEMPLATE_LARGE_SIZE.",
    toDo: "Look at the session: it may hold more than you want.",
    ends: "condition",
  },
});
