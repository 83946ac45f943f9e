import { createHmac } from "node:crypto";
import type { OutgoingMessage, Send } from "./channel.ts";
import { postMessage, type Sending, secretsIn } from "./http-post.ts";

/** What a webhook's key begins with, as in Standard Webhooks; base64 follows. */
export const KEY_PREFIX = "whsec_";

/** What a webhook is sent, and nothing else. */
export function webhookBody({ id, recipientId, seq, content }: OutgoingMessage): string {
  return JSON.stringify({ id, recipientId, seq, ...content });
}

/**
 * Signs by Standard Webhooks (standardwebhooks.com): `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`. The timestamp is
 * that of the try, UTC epoch seconds.
 */
export function signatureOf(
  { id, timestamp, body }: { id: string; timestamp: number; body: string },
  key: string,
): string {
  const bytes = Buffer.from(key.slice(KEY_PREFIX.length), "base64");
  return `v1,${createHmac("sha256", bytes).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/** Posts JSON with a signature to an address that a person gave. */
export function createWebhook({ url, key }: { url: string; key: string }, sending: Sending): Send {
  const secrets = [...secretsIn(url), key.slice(KEY_PREFIX.length)];
  return (message, signal) => {
    const { id } = message;
    const body = webhookBody(message);
    const timestamp = Math.floor(sending.clock.nowMs() / 1_000);
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signatureOf({ id, timestamp, body }, key),
    };
    return postMessage({ url, headers, body, secrets }, { ...sending, signal });
  };
}
