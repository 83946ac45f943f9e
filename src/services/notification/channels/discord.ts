import { plainText, type Send } from "./channel.ts";
import { postMessage, type Sending, secretsIn } from "./http-post.ts";

/** Characters of a message that Discord takes. */
const MOST_TEXT = 2_000;

/** Posts to a webhook of a Discord channel. Who has its address may post: it is a secret. Nobody is mentioned by what a message quotes. */
export function createDiscord({ url }: { url: string }, sending: Sending): Send {
  const secrets = secretsIn(url);
  return (message, signal) => {
    const body = JSON.stringify({ content: plainText(message, MOST_TEXT), allowed_mentions: { parse: [] } });
    return postMessage({ url, body, secrets }, { ...sending, signal });
  };
}
