import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  EXIT_REFUSED: {
    severity: "critical",
    meaning:
      "The venue has refused an order that closes a position. It is made again, with pauses that grow to a minute.",
    toDo: "Read the venue's words. What the session holds stays as it is until an exit is accepted.",
    ends: "condition",
  },
});
