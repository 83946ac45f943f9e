import { ALERTS, ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import { defineService } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { createNotification } from "./service.ts";
import { notificationSettings } from "./settings.ts";
import { DELIVER_MESSAGES } from "./tasks.ts";

/** Tells people by webhook, e-mail and chat; see README.md. */
export const notification = defineService({
  name: "notification",
  description: "Tells people of alerts, fills and sessions by webhook, e-mail, Telegram, Slack and Discord",
  scaling: "lanes by recipient",
  needs: "engine",
  topics: { in: [ALERTS, ORDERS, SESSIONS], out: [ALERTS] },
  tasks: { works: [DELIVER_MESSAGES], asks: [DELIVER_MESSAGES] },
  alerts,
  settings: notificationSettings,
  create: (deps, settings) => createNotification({ deps, settings }),
});
