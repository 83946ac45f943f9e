import { createHmac, timingSafeEqual } from "node:crypto";
import { missing, REFUSALS, type Refusal } from "./refusal.ts";

/** Parameters of a request by name. */
export type Params = ReadonlyMap<string, string>;

/** A signed request before it is believed. */
export interface SignedRequest {
  apiKey: string | null;
  params: Params;
  /** What was signed: the request's parameters without the signature. */
  payload: string;
}

const DEFAULT_WINDOW_MS = 5_000;
const MAX_WINDOW_MS = 60_000;
/** A clock ahead of ours by less than this is believed. */
const AHEAD_MS = 1_000;

/**
 * Whether a request is the account's own and within its window: key, parameters, HMAC SHA-256, then time, by the venue's
 * wall clock. Null: it may take effect. Ask in the same tick as the effect, so that no pause comes between.
 */
export function authenticate(
  request: SignedRequest,
  account: { apiKey: string; secret: string },
  nowMs: number,
): Refusal | null {
  if (request.apiKey === null || request.apiKey === "") return REFUSALS.badKeyFormat;
  if (request.apiKey !== account.apiKey) return REFUSALS.badKey;
  const signature = request.params.get("signature");
  if (signature === undefined || signature === "") return missing("signature");
  if (!isSignature(signature, request.payload, account.secret)) return REFUSALS.badSignature;
  const timestamp = request.params.get("timestamp");
  if (timestamp === undefined || !/^\d{1,16}$/.test(timestamp)) return missing("timestamp");
  const window = request.params.get("recvWindow") ?? String(DEFAULT_WINDOW_MS);
  if (!/^\d{1,8}(\.\d{1,3})?$/.test(window)) return missing("recvWindow");
  return checkWindow(Number(timestamp), Number(window), nowMs);
}

/** Binance's rule: less than a second ahead of the server, and at most the window behind. */
export function checkWindow(timestampMs: number, recvWindowMs: number, nowMs: number): Refusal | null {
  if (recvWindowMs > MAX_WINDOW_MS) return REFUSALS.recvWindowTooLarge;
  if (timestampMs >= nowMs + AHEAD_MS) return REFUSALS.timestampAhead;
  return nowMs - timestampMs > recvWindowMs ? REFUSALS.timestampOutside : null;
}

function isSignature(given: string, payload: string, secret: string): boolean {
  const wanted = createHmac("sha256", secret).update(payload).digest();
  const got = Buffer.from(given, "hex");
  return got.length === wanted.length && timingSafeEqual(got, wanted);
}

/** Reads `a=1&b=2`; a name given twice keeps its first value. */
export function parseParams(...encoded: string[]): Map<string, string> {
  const params = new Map<string, string>();
  for (const text of encoded)
    for (const [name, value] of new URLSearchParams(text)) if (!params.has(name)) params.set(name, value);
  return params;
}

/** What REST signs: the query and the body, as sent, one behind the other, without the signature. */
export function restPayload(query: string, body: string): string {
  const unsigned = (text: string) =>
    text
      .split("&")
      .filter((part) => !part.startsWith("signature="))
      .join("&");
  return unsigned(query) + unsigned(body);
}

/** What the WebSocket API signs: the parameters but the signature, sorted by name, as `a=1&b=2`. */
export function webSocketPayload(params: Params): string {
  return [...params]
    .filter(([name]) => name !== "signature")
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
