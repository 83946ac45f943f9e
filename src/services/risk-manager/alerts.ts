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
  KILLED: {
    severity: "critical",
    meaning: "A person has killed a session, an account or all: nothing is entered, and what is held is closed.",
    toDo: "Read GET .../kill/<id> until it says FLAT. POST .../release, or the account's trading state ACTIVE, ends it; then start the sessions that are to trade again.",
    ends: "condition",
  },
});
