import type { Logger } from "pino";
import { httpBase, problemResponse } from "#shared/http/http-base.ts";
import { problem } from "#shared/http/problem.ts";
import type { StreamSockets } from "./stream-sockets.ts";

/** The WebSocket of candles and quotes. Foreign pages are refused where all requests are (`http-app.ts`). */
export function createStreamRoutes({ log, sockets }: { log: Logger; sockets: StreamSockets }) {
  return httpBase("market-data", log)
    .get(
      "/stream",
      ({ request, set }) => {
        const answer = problem(
          426,
          "UPGRADE_REQUIRED",
          "This address is a WebSocket: connect to it with ws:// or wss://.",
        );
        return problemResponse(answer, request, { ...set.headers, upgrade: "websocket" });
      },
      // No operation of OpenAPI: it never succeeds.
      { detail: { hide: true } },
    )
    .ws("/stream", {
      beforeHandle: () => sockets.admit(),
      open: (ws) => sockets.open(ws.raw),
      message: (ws, message) => sockets.receive(ws.raw, message),
      drain: (ws) => sockets.drain(ws.raw),
      close: (ws) => sockets.close(ws.raw),
    });
}
