import { plainText, type Send } from "./channel.ts";
import { postMessage, type Sending, secretsIn } from "./http-post.ts";

/** Slack advises 4,000 characters; what is escaped grows. */
const MOST_TEXT = 3_000;

/** Posts to an incoming webhook of Slack, or of what speaks like it. Who has its address may post: it is a secret. */
export function createSlack({ url }: { url: string }, sending: Sending): Send {
  const secrets = secretsIn(url);
  return (message, signal) => {
    const body = JSON.stringify({ text: escaped(plainText(message, MOST_TEXT)) });
    return postMessage({ url, body, secrets }, { ...sending, signal });
  };
}

/** These three signs would begin links and mentions. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
