import { z } from "zod";
import { KEY_PREFIX } from "#services/notification/channels/webhook.ts";

/** A channel that can be made anywhere: e-mail needs a mail server in the settings. */
export const EXAMPLE_WEBHOOK = {
  type: "webhook",
  url: "https://desk.example/hook",
  secret: `${KEY_PREFIX}bm9ib2R5IHVzZXMgdGhpcyBvbmUgZm9yIHJlYWw=`,
} as const;

const httpUrl = z
  .url({ protocol: /^https?$/, error: "must be an address like https://desk.example/hook" })
  .max(2_000)
  .refine((text) => !hasUser(text), "must not hold a user or a password")
  .meta({ examples: [EXAMPLE_WEBHOOK.url] });

function hasUser(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== "" || url.password !== "");
}

/** So many bytes a key of Standard Webhooks has. */
const [LEAST_KEY, MOST_KEY] = [24, 64];

function isKey(text: string): boolean {
  const base64 = text.slice(KEY_PREFIX.length);
  if (!text.startsWith(KEY_PREFIX) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return false;
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 && bytes.length >= LEAST_KEY && bytes.length <= MOST_KEY;
}

const secret = z
  .string()
  .max(200)
  .refine(
    isKey,
    `must be ${KEY_PREFIX} and the base64 of ${LEAST_KEY} to ${MOST_KEY} bytes, which head -c 32 /dev/urandom | base64 makes`,
  )
  .meta({ examples: [EXAMPLE_WEBHOOK.secret] })
  .describe("The key that messages are signed with. Never given back");

const of = <Type extends string>(type: Type) => z.literal(type).describe("Which channel it is");

/** Where a recipient is told, with what the channel needs. */
export const channelInputSchema = z
  .discriminatedUnion("type", [
    z.strictObject({
      type: of("webhook"),
      url: httpUrl.describe("Where messages are posted. What stands behind a ? is not given back"),
      secret,
    }),
    z.strictObject({
      type: of("email"),
      address: z
        .email("must be an e-mail address like me@mail.example")
        .max(254)
        .meta({ examples: ["me@mail.example"] })
        .describe("Where messages are mailed"),
    }),
    z.strictObject({
      type: of("telegram"),
      token: z
        .string()
        .regex(/^\d{1,20}:[A-Za-z0-9_-]{20,100}$/, "must be the token of a bot, as BotFather gives it")
        .meta({ examples: ["123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] })
        .describe("Token of the bot that writes. Never given back"),
      chatId: z
        .string()
        .regex(
          /^(-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})$/,
          "must be the number of a chat, or a channel's name like @desk",
        )
        .meta({ examples: ["123456789"] })
        .describe("The chat that is written to"),
    }),
    z.strictObject({
      type: of("slack"),
      url: httpUrl.describe("Address of an incoming webhook, a secret by itself. Never given back"),
    }),
    z.strictObject({
      type: of("discord"),
      url: httpUrl.describe("Address of a channel's webhook, a secret by itself. Never given back"),
    }),
  ])
  .describe("Where messages go. It is given whole, with its secrets");
export type ChannelInput = z.infer<typeof channelInputSchema>;

/** What is kept of a channel for people to see. */
export const channelViewSchema = z.object({
  type: z.enum(["webhook", "email", "telegram", "slack", "discord"]).describe("Which channel it is"),
  to: z.string().describe("Where it leads: an address without what is secret in it, or a chat"),
});
export type ChannelView = z.infer<typeof channelViewSchema>;

/** What of a channel may be seen. */
export function viewOf(channel: ChannelInput): ChannelView {
  const { type } = channel;
  switch (type) {
    case "webhook": {
      const { origin, pathname } = new URL(channel.url);
      return { type, to: `${origin}${pathname}` };
    }
    case "email":
      return { type, to: channel.address };
    case "telegram":
      return { type, to: channel.chatId };
    case "slack":
    case "discord":
      return { type, to: new URL(channel.url).origin };
  }
}
