import { z } from "zod";
import { type Call, type Reply, replyOf } from "#services/paper-exchange/faults/fault.ts";
import type { Faults } from "#services/paper-exchange/faults/faults.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { PUBLIC_ENDPOINTS, PUBLIC_METHODS } from "./public-api.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { authenticate, type Params, type SignedRequest, webSocketPayload } from "./signature.ts";
import { SIGNED_METHODS, signedCall } from "./signed-api.ts";
import { readJson, type Socket } from "./sockets.ts";

const requestSchema = z.object({
  id: z.union([z.string(), z.number(), z.null()]).default(null),
  method: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

const SUBSCRIBE = "userDataStream.subscribe.signature";

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
        const send = (frame: string) => sendTo(socket, frame);
        faults().send({ kind: "user", stream: one.event.type, text, closedBar: false, to: socket, send });
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
    const signed = SIGNED_METHODS.get(method);
    if (signed !== undefined) return signedCall({ itself: market, seen: faults().view() }, signed, request);
    const open = PUBLIC_ENDPOINTS.get(PUBLIC_METHODS.get(method) ?? "");
    return open === undefined ? refuse(-1000, "Unknown method.") : open(faults().view(), params);
  }

  return {
    open: (socket) => void subscribers.set(socket, null),
    receive(socket, message) {
      const request = requestSchema.safeParse(readJson(message));
      if (!request.success) {
        socket.send(frameOf(null, replyOf(refuse(-1000, "Malformed request."))));
        return;
      }
      const { id, method, params } = request.data;
      const asked: Call = { method: "WS", path: method, params: textOf(params) };
      const reply = faults().before(asked) ?? faults().after(asked, replyOf(call(socket, method, asked.params)));
      if (reply.dropped === true) return socket.close();
      const send = () => sendTo(socket, frameOf(id, reply));
      if (reply.delayMs !== undefined) void market.clock.sleep(reply.delayMs).then(send);
      else if (method === SUBSCRIBE) faults().acknowledge("user", send);
      else send();
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

function textOf(params: Record<string, string | number | boolean>): Params {
  return new Map(Object.entries(params).map(([name, value]) => [name, String(value)]));
}

function frameOf(id: string | number | null, { status, body }: Reply): string {
  const told = status === 200 ? { result: body } : { error: body };
  return JSON.stringify({ id, status, ...told, rateLimits: [] });
}
