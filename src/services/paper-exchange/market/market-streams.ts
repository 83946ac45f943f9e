import { z } from "zod";
import type { Faults } from "#services/paper-exchange/faults/faults.ts";
import {
  aggTradeFrame,
  bookTickerFrame,
  candleFrame,
  klineFrame,
  tradeFrame,
} from "#services/paper-exchange/protocol/frames.ts";
import { readJson, type Socket } from "#services/paper-exchange/protocol/sockets.ts";
import type { Market } from "./market.ts";
import type { Shown } from "./market-options.ts";

const requestSchema = z.object({
  method: z.enum(["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]),
  params: z.array(z.string().max(100)).max(200).default([]),
  id: z.union([z.number(), z.string(), z.null()]).default(null),
});

/** One market's public streams: who wants which, and what each is sent. */
export interface MarketStreams {
  /** `streams`: those that the address names already. */
  open(socket: Socket, streams?: readonly string[]): void;
  /** A message as text or as JSON already read. */
  receive(socket: Socket, message: unknown): void;
  close(socket: Socket): void;
  /** Breaks every connection. */
  disconnect(): void;
  stop(): void;
}

/** Follows a market and sends its trades and bars to whoever subscribed, in the order they happened. */
export function createMarketStreams(market: Market, faults: () => Faults): MarketStreams {
  const sockets = new Map<Socket, Set<string>>();
  const stopListening = market.listen((shown) => {
    for (const one of shown) for (const [stream, frame] of framesOf(market, one)) send(stream, frame, isClosedBar(one));
  });

  function send(stream: string, frame: () => object, closedBar: boolean): void {
    let text: string | undefined;
    for (const [socket, streams] of sockets) {
      if (!streams.has(stream)) continue;
      text ??= JSON.stringify(frame());
      const name = stream.slice(stream.indexOf("@") + 1);
      faults().send({ kind: "market", stream: name, text, closedBar, to: socket, send: (one) => sendTo(socket, one) });
    }
  }

  /** A frame that comes late may find its connection gone. */
  function sendTo(socket: Socket, text: string): void {
    if (sockets.has(socket)) socket.send(text);
  }

  function answer(message: unknown, streams: Set<string>): object {
    const request = requestSchema.safeParse(readJson(message));
    if (!request.success) return { error: { code: 2, msg: "Invalid request" } };
    const { method, params, id } = request.data;
    if (method === "LIST_SUBSCRIPTIONS") return { result: [...streams], id };
    for (const name of params)
      if (method === "SUBSCRIBE") streams.add(name);
      else streams.delete(name);
    return { result: null, id };
  }

  return {
    open: (socket, streams = []) => void sockets.set(socket, new Set(streams)),
    receive(socket, message) {
      const streams = sockets.get(socket);
      if (streams === undefined) return;
      const text = JSON.stringify(answer(message, streams));
      faults().acknowledge("market", () => sendTo(socket, text));
    },
    close: (socket) => void sockets.delete(socket),
    disconnect() {
      for (const socket of sockets.keys()) socket.close();
    },
    stop() {
      stopListening();
      sockets.clear();
    },
  };
}

function isClosedBar(shown: Shown): boolean {
  return (shown.kind === "bar" && shown.closed) || (shown.kind === "candle" && shown.candle.closed);
}

function framesOf(market: Market, shown: Shown): [string, () => object][] {
  const symbol = market.instrument.venueSymbol;
  const name = symbol.toLowerCase();
  if (shown.kind === "account") return [];
  if (shown.kind === "trade") {
    const { trade } = shown;
    return [
      [`${name}@trade`, () => tradeFrame(symbol, trade)],
      [`${name}@aggTrade`, () => aggTradeFrame(symbol, trade)],
      [`${name}@bookTicker`, () => bookTickerFrame(symbol, trade, market.halfSpread)],
    ];
  }
  if (shown.kind === "candle") {
    const { candle } = shown;
    return [[`${name}@kline_${candle.timeFrame}`, () => candleFrame(symbol, candle, market.nowMs)]];
  }
  const interval = market.replay?.timeFrame ?? "1d";
  return [[`${name}@kline_${interval}`, () => klineFrame(symbol, interval, shown.bar, shown)]];
}
