import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  BAR_REFUSED: {
    severity: "warning",
    meaning: "The venue told a bar that cannot be, as one with a price of zero. It is left out; the series goes on.",
    toDo: "Look at the instrument at its venue. A strategy has not seen this bar.",
    ends: "fact",
  },
});
