import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. The recipient that it is about is not told of it: its own channel is what fails. */
export const alerts = defineAlerts({
  NOTIFICATION_CHANNEL_DOWN: {
    severity: "warning",
    meaning: "A recipient's channel has not taken a message for R3_NOTIFICATION_DOWN_AFTER_MS. Its messages wait.",
    toDo: "Read the reason. Nothing where the far side comes back: the messages are sent then, in order. Else change the recipient's channel.",
    ends: "condition",
  },
  NOTIFICATION_REFUSED: {
    severity: "critical",
    meaning:
      "A recipient's channel has refused a message for good, as a bad address or a token that is no longer valid. The message is dead.",
    toDo: "Read the reason, change the recipient's channel, and send a test message. What was refused is listed under GET /api/notification/recipients/<id>/messages?state=dead.",
    ends: "condition",
  },
  NOTIFICATION_UNREADABLE: {
    severity: "warning",
    meaning:
      "Preferences of a recipient cannot be read: another version of the engine wrote them. They count as not given, so it is told more than it wants.",
    toDo: "PATCH the recipient with the preferences that the text names.",
    ends: "condition",
  },
});
