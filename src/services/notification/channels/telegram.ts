import { z } from "zod";
import { plainText, type Send, type Verdict } from "./channel.ts";
import { boundedRetry, postMessage, type Sending, told } from "./http-post.ts";

/** Characters of a message that Telegram takes. */
const MOST_TEXT = 4_096;

const failureSchema = z.object({
  description: z.string(),
  parameters: z.object({ retry_after: z.number().optional() }).optional(),
});

/** Sends by Telegram's Bot API. Its address holds the bot's token. */
export function createTelegram(
  { baseUrl, token, chatId }: { baseUrl: string; token: string; chatId: string },
  sending: Sending,
): Send {
  const url = `${baseUrl.replace(/\/$/, "")}/bot${token}/sendMessage`;
  const secrets = [url, token];
  return (message, signal) => {
    const text = plainText(message, MOST_TEXT);
    const body = JSON.stringify({ chat_id: chatId, text, link_preview_options: { is_disabled: true } });
    const read = (status: number, said: string) => tooMany(status, said, secrets);
    return postMessage({ url, body, secrets }, { ...sending, signal, read });
  };
}

/** Telegram says in the body how long to wait. */
function tooMany(status: number, said: string, secrets: readonly string[]): Verdict | undefined {
  if (status !== 429) return undefined;
  const failure = failureSchema.safeParse(parseJson(said)).data;
  const seconds = failure?.parameters?.retry_after;
  if (failure === undefined || seconds === undefined) return undefined;
  return {
    kind: "later",
    reason: `It answered with ${status}: ${told(failure.description, secrets)}`,
    retryAfterMs: boundedRetry(seconds * 1_000),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
