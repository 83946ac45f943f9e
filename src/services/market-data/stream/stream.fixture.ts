import { connect } from "node:net";
import { pino } from "pino";
import { Registry } from "prom-client";
import type { Replica } from "#services/market-data/market-data.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Candle, Quote } from "#shared/domain/candle.ts";
import { createHttpApp } from "#shared/http/http-app.ts";
import { type Listening, listen } from "#shared/http/listen.ts";
import { knownHosts } from "#shared/http/neighbours.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_CANDLES, MARKET_QUOTES } from "#shared/messages/topics.ts";
import type { StreamMessage } from "./protocol.ts";

export const CANDLES = { channel: "candles", instrumentId: spx.id, timeFrame: "1m" } as const;
export const QUOTES = { channel: "quotes", instrumentId: spx.id } as const;

/** A replica's routes on a port of their own, as a process serves them. */
export function serve({ service }: Replica): Listening {
  const app = createHttpApp({
    services: [{ name: "market-data", description: "Candles", ...service }],
    account: null,
    version: "1.2.3",
    pid: 1,
    log: pino({ level: "silent" }),
    registry: new Registry(),
    maxBodyBytes: 1_048_576,
    hosts: knownHosts({ address: "127.0.0.1", urls: [], more: [] }),
    checkAnswers: true,
  });
  return listen(app, "127.0.0.1", 0);
}

/** A client that keeps up, with all that it was told. */
export interface Follower {
  heard: StreamMessage[];
  /** Null: it is open. */
  closed: () => { code: number; reason: string } | null;
  send: (message: object | string | Uint8Array) => void;
  /** Sends, and gives the next message of this type. */
  ask: <Type extends StreamMessage["type"]>(
    message: object | string | Uint8Array,
    type: Type,
  ) => Promise<Extract<StreamMessage, { type: Type }>>;
  closedCandles: () => Candle[];
  close: () => void;
}

/** Connects; fails where the server refuses. */
export async function follow(url: string, headers: Record<string, string> = {}): Promise<Follower> {
  const socket = new WebSocket(`${url.replace("http:", "ws:")}/api/market-data/stream`, { headers });
  const heard: StreamMessage[] = [];
  let closed: { code: number; reason: string } | null = null;
  socket.onmessage = ({ data }) => void heard.push(JSON.parse(String(data)) as StreamMessage);
  socket.onclose = ({ code, reason }) => {
    closed = { code, reason };
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const send: Follower["send"] = (message) =>
    socket.send(typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message));
  return {
    heard,
    closed: () => closed,
    send,
    async ask<Type extends StreamMessage["type"]>(message: object | string | Uint8Array, type: Type) {
      const from = heard.length;
      send(message);
      return await until(() =>
        heard.slice(from).find((one): one is Extract<StreamMessage, { type: Type }> => one.type === type),
      );
    },
    closedCandles: () => closedOf(heard),
    close: () => socket.close(),
  };
}

/** The closed candles that some messages tell of, in their order, those of snapshots too. */
export function closedOf(heard: readonly StreamMessage[]): Candle[] {
  return heard.flatMap((one) => {
    if (one.type === "candle") return one.candle.closed ? [one.candle] : [];
    return one.type === "snapshot" && "closed" in one ? one.closed : [];
  });
}

/** A client that reads when it is told to, which WebSocket cannot do. */
export interface SlowReader {
  heard: StreamMessage[];
  pause: () => void;
  resume: () => void;
  send: (message: object) => void;
  close: () => void;
}

/** Connects over a bare socket and reads until it is told to pause. */
export async function readSlowly({ port }: Listening): Promise<SlowReader> {
  const socket = connect(port, "127.0.0.1");
  const heard: StreamMessage[] = [];
  let bytes = Buffer.alloc(0);
  let isUpgraded = false;
  socket.on("data", (more) => {
    bytes = Buffer.concat([bytes, typeof more === "string" ? Buffer.from(more) : more]);
    if (!isUpgraded) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      isUpgraded = true;
      bytes = bytes.subarray(end + 4);
    }
    const { texts, rest } = framesOf(bytes);
    bytes = Buffer.from(rest);
    heard.push(...texts.map((text) => JSON.parse(text) as StreamMessage));
  });
  const upgrade = [
    "GET /api/market-data/stream HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
  ];
  socket.write(`${upgrade.join("\r\n")}\r\n\r\n`);
  await until(() => isUpgraded);
  return {
    heard,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    send(message) {
      const body = Buffer.from(JSON.stringify(message));
      // A client's frames are masked; this one's mask is zero.
      socket.write(
        Buffer.concat([Buffer.from([0x81, 0x80 + 126, body.length >> 8, body.length & 255, 0, 0, 0, 0]), body]),
      );
    },
    close: () => void socket.destroy(),
  };
}

/** The whole text frames at the beginning of some bytes, each below 64 KiB. */
function framesOf(bytes: Buffer): { texts: string[]; rest: Buffer } {
  const texts: string[] = [];
  let at = 0;
  for (;;) {
    if (bytes.length < at + 4) break;
    const short = bytes.readUInt8(at + 1);
    const [begin, length] = short < 126 ? [at + 2, short] : [at + 4, bytes.readUInt16BE(at + 2)];
    if (bytes.length < begin + length) break;
    if (bytes.readUInt8(at) === 0x81) texts.push(bytes.toString("utf8", begin, begin + length));
    at = begin + length;
  }
  return { texts, rest: bytes.subarray(at) };
}

/** Tells of quotes as data-collect does. */
export async function tellQuotes({ bus }: Replica, ...quotes: Quote[]): Promise<void> {
  await bus.publishVolatile(quotes.map((quote) => event(MARKET_QUOTES, quote.instrumentId, "market.quote", quote)));
}

/** Tells of candles as the owner of a series does. */
export async function tellCandles({ bus }: Replica, ...candles: Candle[]): Promise<void> {
  await bus.publishVolatile(candles.map((one) => event(MARKET_CANDLES, one.instrumentId, "market.candle", one)));
}
