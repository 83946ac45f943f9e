import type { ChannelInput } from "#services/notification/recipients/channel-input.ts";
import type { NotificationSettings } from "#services/notification/settings.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Send } from "./channel.ts";
import { createDiscord } from "./discord.ts";
import { createEmail } from "./email.ts";
import { createSlack } from "./slack.ts";
import { createTelegram } from "./telegram.ts";
import { createWebhook } from "./webhook.ts";

/** Makes the sender of a channel. One that the settings do not allow any more sends later, once they do again. */
export function createSend(channel: ChannelInput, settings: NotificationSettings, clock: Clock): Send {
  const options = { clock, timeoutMs: settings.R3_NOTIFICATION_SEND_TIMEOUT_MS };
  switch (channel.type) {
    case "webhook":
      return createWebhook({ url: channel.url, key: channel.secret }, options);
    case "email": {
      const { R3_NOTIFICATION_SMTP_URL: url, R3_NOTIFICATION_MAIL_FROM: from } = settings;
      if (url === undefined) return async () => ({ kind: "later", reason: NO_MAIL_SERVER, retryAfterMs: null });
      return createEmail({ url, from, address: channel.address }, options);
    }
    case "telegram": {
      const { token, chatId } = channel;
      return createTelegram({ baseUrl: settings.R3_NOTIFICATION_TELEGRAM_URL, token, chatId }, options);
    }
    case "slack":
      return createSlack({ url: channel.url }, options);
    case "discord":
      return createDiscord({ url: channel.url }, options);
  }
}

/** Why no e-mail can be sent. */
export const NO_MAIL_SERVER = "R3_NOTIFICATION_SMTP_URL names no mail server: set it and start the service again.";
