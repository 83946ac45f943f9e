import { createHmac } from "node:crypto";
import { KEYS } from "./venue.fixture.ts";

/** An answer of the venue: HTTP status and body. */
export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** Calls the venue as any Binance client would: `GET order` with parameters, signed by the account's keys. */
export function client(url: string, keys: { apiKey: string; secret: string } = KEYS) {
  return async (call: string, given: Record<string, string> = {}): Promise<Answer> => {
    const [method = "GET", path = ""] = call.split(" ");
    const params = { timestamp: String(Date.now()), ...given };
    const query = new URLSearchParams(params).toString();
    const signature = createHmac("sha256", keys.secret).update(query).digest("hex");
    const text = `${query}&signature=${signature}`;
    const response = await fetch(`${url}/api/v3/${path}${method === "POST" ? "" : `?${text}`}`, {
      method,
      headers: { "x-mbx-apikey": keys.apiKey, "content-type": "application/x-www-form-urlencoded" },
      ...(method === "POST" ? { body: text } : {}),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
}

/** A connection that keeps what it hears. `next` gives the messages in order, each once. Headers are those that a browser adds. */
export async function listenTo(address: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(address.replace("http:", "ws:"), { headers });
  const heard: Record<string, unknown>[] = [];
  const waiting: ((message: Record<string, unknown>) => void)[] = [];
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Record<string, unknown>;
    const first = waiting.shift();
    if (first === undefined) heard.push(message);
    else first(message);
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return {
    next(): Promise<Record<string, unknown>> {
      const first = heard.shift();
      return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
    },
    send: (message: object) => socket.send(JSON.stringify(message)),
    close: () => socket.close(),
  };
}

/** Parameters of a WebSocket API request with key, time and signature. */
export function signedParams(
  params: Record<string, string | number> = {},
  keys = KEYS,
): Record<string, string | number> {
  const all: Record<string, string | number> = { ...params, apiKey: keys.apiKey, timestamp: Date.now() };
  const names = Object.keys(all).toSorted();
  const payload = names.map((name) => `${name}=${all[name]}`).join("&");
  return { ...all, signature: createHmac("sha256", keys.secret).update(payload).digest("hex") };
}
