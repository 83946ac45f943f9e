import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

const SMTP_URL = "must be a URL like smtps://user:password@mail.example:465, with %XX for what a URL may not hold";

const smtpUrl = z
  .url({ protocol: /^smtps?$/, error: SMTP_URL })
  .refine((text) => isDecodable(text), SMTP_URL)
  .optional();

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== "";
  } catch {
    return false;
  }
}

/** What notification can be told. */
export const notificationSettings = z.object({
  R3_NOTIFICATION_CONCURRENCY: wholeNumber(1, 200)
    .default(16)
    .describe("How many recipients one process sends to at once"),
  R3_NOTIFICATION_SEND_TIMEOUT_MS: wholeNumber(100, 60_000)
    .default(10_000)
    .describe("How long a channel may take to accept one message, in milliseconds"),
  R3_NOTIFICATION_RETRY_MS: wholeNumber(10, 60_000)
    .default(1_000)
    .describe(
      "Pause after the first failure of a channel, in milliseconds; doubled with each one in a row, up to five minutes",
    ),
  R3_NOTIFICATION_DOWN_AFTER_MS: wholeNumber(0, 86_400_000)
    .default(60_000)
    .describe(
      "How long a channel fails before it counts as down: others are told, and it says later how many were delayed, in milliseconds",
    ),
  R3_NOTIFICATION_LANE_LIMIT: wholeNumber(1, 100_000)
    .default(1_000)
    .describe("Messages that may wait for one recipient; what comes beyond is told in one message later"),
  R3_NOTIFICATION_TIMER_MS: wholeNumber(10, 60_000)
    .default(1_000)
    .describe("How often the leader looks for digests and summaries that are due, in milliseconds"),
  R3_NOTIFICATION_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(30)
    .describe("How long messages are kept after they were sent or refused, in days"),
  R3_NOTIFICATION_SMTP_URL: smtpUrl.describe(
    "URL of the mail server that takes e-mail, like smtps://user:password@mail.example:465. May hold a password: never printed. Default: none, and no e-mail",
  ),
  R3_NOTIFICATION_MAIL_FROM: z
    .email("must be an e-mail address like engine@mail.example")
    .default("r3edge@localhost.localdomain")
    .describe("The sender of e-mail"),
  R3_NOTIFICATION_TELEGRAM_URL: z
    .url({ protocol: /^https?$/, error: "must be a URL like https://api.telegram.org" })
    .default("https://api.telegram.org")
    .describe("Base URL of Telegram's Bot API"),
});
export type NotificationSettings = z.infer<typeof notificationSettings>;
