import { z } from "zod";
import type { Faults } from "./faults.ts";
import type { Market } from "./market.ts";
import { PUBLIC_ENDPOINTS } from "./public-api.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";
import { authenticate, type Params, type SignedRequest, webSocketPayload } from "./signature.ts";
import { SIGNED_METHODS, signedCall } from "./signed-api.ts";
import { readJson, type Socket } from "./sockets.ts";

const requestSchema = z.object({
  id: z.union([z.string(), z.number(), z.null()]).default(null),
  method: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

const SUBSCRIBE = "userDataStream.subscribe.signature";

const PUBLIC_METHODS: Readonly<Record<string, string>> = {
  ping: "ping",
  time: "time",
  exchangeInfo: "exchangeInfo",
  klines: "klines",
  "trades.recent": "trades",
  "trades.historical": "historicalTrades",
  "trades.aggregate": "aggTrades",
  "ticker.price": "ticker/price",
  "ticker.book": "ticker/bookTicker",
};

/** A market's WebSocket API: signed requests without a session, and the user stream as {subscriptionId, event}. */
export interface WebSocketApi {
  open(socket: Socket): void;
  /** A message as text or as JSON already read. */
  receive(socket: Socket, message: unknown): void;
  close(socket: Socket): void;
  /** Breaks every connection. */
  disconnect(): void;
  stop(): void;
}

export function createWebSocketApi(market: Market, faults: () => Faults): WebSocketApi {
  const subscribers = new Map<Socket, number | null>();
  let subscriptions = 0;
  const stopListening = market.listen((shown) => {
    for (const one of shown) {
      if (one.kind !== "account") continue;
      for (const [socket, subscriptionId] of subscribers) {
        if (subscriptionId === null) continue;
        const text = `{"subscriptionId":${subscriptionId},"event":${one.event.payload}}`;
        faults().send({ kind: "user", text, closedBar: false, send: (frame) => sendTo(socket, frame) });
      }
    }
  });

  /** A frame that comes late may find its connection gone. */
  function sendTo(socket: Socket, text: string): void {
    if (subscribers.has(socket)) socket.send(text);
  }

  function subscribe(socket: Socket, request: SignedRequest): object | Refusal {
    const refusal = authenticate(request, market.account, faults().view().clock.nowMs());
    if (refusal !== null) return refusal;
    const subscriptionId = subscribers.get(socket) ?? subscriptions++;
    subscribers.set(socket, subscriptionId);
    return { subscriptionId };
  }

  function call(socket: Socket, method: string, params: Params): object | Refusal {
    const request = { apiKey: params.get("apiKey") ?? null, params, payload: webSocketPayload(params) };
    if (method === SUBSCRIBE) return subscribe(socket, request);
    if (method === "userDataStream.unsubscribe") {
      subscribers.set(socket, null);
      return {};
    }
    const signed = SIGNED_METHODS[method];
    if (signed !== undefined) return signedCall(faults().view(), signed, request);
    const open = PUBLIC_ENDPOINTS[PUBLIC_METHODS[method] ?? ""];
    return open === undefined ? refuse(-1000, "Unknown method.") : open(faults().view(), params);
  }

  return {
    open: (socket) => void subscribers.set(socket, null),
    receive(socket, message) {
      const request = requestSchema.safeParse(readJson(message));
      if (!request.success) {
        socket.send(JSON.stringify(answerOf(null, refuse(-1000, "Malformed request."))));
        return;
      }
      const { id, method, params } = request.data;
      const asText = new Map(Object.entries(params).map(([name, value]) => [name, String(value)]));
      const refused = faults().before({ method: "WS", path: method, params: asText });
      if (refused?.dropped === true) return socket.close();
      const text =
        refused === null
          ? JSON.stringify(answerOf(id, call(socket, method, asText)))
          : JSON.stringify({ id, status: refused.status, error: refused.body, rateLimits: [] });
      if (method !== SUBSCRIBE) sendTo(socket, text);
      else faults().acknowledge("user", () => sendTo(socket, text));
    },
    close: (socket) => void subscribers.delete(socket),
    disconnect() {
      for (const socket of subscribers.keys()) socket.close();
    },
    stop() {
      stopListening();
      subscribers.clear();
    },
  };
}

function answerOf(id: string | number | null, result: object | Refusal): object {
  if (!isRefusal(result)) return { id, status: 200, result, rateLimits: [] };
  const { status, code, msg } = result;
  return { id, status, error: { code, msg }, rateLimits: [] };
}
