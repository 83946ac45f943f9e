import Binance, { type StreamClient } from "ccxt/binance-pro";
import type { Logger } from "pino";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Bans } from "./bans.ts";
import { banEndIn, banOf, classifyAnswer, isBan, OUTSIDE_WINDOW, type VenueAnswer } from "./binance-answers.ts";
import { serverTimeOf } from "./binance-mapping.ts";
import { klineStream, quoteStream, tradeStream, USER_STREAM } from "./binance-streams.ts";
import { addressOf, type BinanceUrls, ordersAddressOf } from "./binance-urls.ts";
import { ServerClock } from "./server-clock.ts";

export interface BinanceOptions extends BinanceUrls {
  apiKey?: string;
  secret?: string;
  /** Whose keys they are. */
  accountId?: string;
  clock: Clock;
  log: Logger;
  /** What the venue has told of bans; nothing leaves under one. */
  bans: Bans;
}

/** A request by the names of ccxt's table of endpoints. */
export interface VenueRequest {
  api: "public" | "private" | "sapi";
  method: "GET" | "POST" | "DELETE";
  path: string;
  params?: Record<string, string | number>;
  /** Called when the request has left. */
  onSent?: (() => void) | undefined;
}

/** One stream to follow. A connection that is lost is made again, with pauses that grow to five seconds. */
export interface StreamRequest {
  /** The user's own stream, or a market stream by Binance's name ("btcusdt@trade"). */
  stream: "user" | (string & {});
  onFrame: (frame: unknown) => void;
  /** After each subscription that the venue has acknowledged. */
  onConnected: () => void;
  signal: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** The venue's time is a help: what waits for it goes on by the clock as it is known. */
const TIME_TIMEOUT_MS = 2_000;
/** A connection without an answer to two pings is dead. */
const PING_EVERY_MS = 5_000;
/** A subscription that is not acknowledged within this time is made anew, on another connection. */
const ACKNOWLEDGED_WITHIN_MS = 5_000;
const CONNECT: Backoff = { firstMs: 100, longestMs: 5_000 };

function isLoopback(url: string | undefined): boolean {
  return url !== undefined && /^https?:\/\/(127\.|localhost[:/]|\[::1\])/.test(url);
}

/**
 * ccxt's Binance, used for what it is good at: endpoints, signatures, rate limits and stream connections. Answers and
 * frames are handed out as the venue wrote them, since ccxt's own parsing turns amounts into floats and drops the closed
 * flag of a bar. `loadMarkets` is never called: it would keep thousands of markets in memory that nobody reads.
 */
export class BinanceConnection extends Binance {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #serverClock: ServerClock;
  readonly #bans: Bans;
  /** What a ban is for: every connection to it. */
  readonly #address: string;
  /** What a ban of the account's new orders alone is for. */
  readonly #ordersAddress: string;
  readonly #onFrame = new Map<string, (frame: unknown) => void>();

  constructor(options: BinanceOptions) {
    super({
      apiKey: options.apiKey ?? "",
      secret: options.secret ?? "",
      number: String,
      enableRateLimit: !isLoopback(options.restUrl),
      timeout: REQUEST_TIMEOUT_MS,
      streaming: { keepAlive: PING_EVERY_MS },
      // Pauses between connections are made here, where an abort ends them.
      options: { fetchMargins: false, fetchCurrencies: false, ws: { backoff: { base: 0 } } },
    });
    this.#clock = options.clock;
    this.#log = options.log;
    this.#bans = options.bans;
    this.#address = addressOf(options);
    this.#ordersAddress = ordersAddressOf(options, options.accountId ?? "");
    this.#serverClock = new ServerClock(options.clock, () => this.#askTime());
    if (options.restUrl !== undefined) this.#moveTo(options.restUrl, options);
  }

  /** Replaces every host, so that a signed request cannot reach the real venue by some endpoint that was forgotten. */
  #moveTo(restUrl: string, { wsUrl, wsApiUrl }: BinanceUrls): void {
    const base = restUrl.replace(/\/+$/, "");
    const socketBase = base.replace(/^http/, "ws");
    const api: Record<string, unknown> = {};
    for (const [name, url] of Object.entries(this.urls.api)) {
      if (typeof url === "string") api[name] = base + new URL(url).pathname;
    }
    api["ws"] = { spot: wsUrl ?? `${socketBase}/ws`, "ws-api": { spot: wsApiUrl ?? `${socketBase}/ws-api/v3` } };
    this.urls.api = api;
  }

  /** ccxt's name for the timestamp of what is signed. */
  override nonce(): number {
    return this.#serverClock.nowMs();
  }

  /**
   * Sends one request and sorts what comes back. Never throws for anything the venue or the network does. What is signed
   * with the venue's time is sent once more when that was wrong: the refusal says that it did nothing. A request that
   * carries a timestamp of its own is sent once.
   */
  async send(request: VenueRequest): Promise<VenueAnswer> {
    if (request.api === "public" || request.params?.["timestamp"] !== undefined) return await this.#sendOnce(request);
    if (!this.#serverClock.isMeasured) await this.#serverClock.measure();
    const answer = await this.#sendOnce(request);
    const isOutside = answer.kind === "refused" && answer.code === OUTSIDE_WINDOW;
    if (!isOutside || !(await this.#serverClock.measure())) return answer;
    this.#log.warn({ path: request.path }, "venue's clock measured again, request sent again");
    return await this.#sendOnce(request);
  }

  async #askTime(): Promise<number | null> {
    const answer = await this.#sendOnce({ api: "public", method: "GET", path: "time" }, TIME_TIMEOUT_MS);
    try {
      if (answer.kind === "answer") return serverTimeOf(answer.body);
      const reason = answer.kind === "banned" ? "banned" : answer.reason;
      this.#log.warn({ reason }, "venue's time not told");
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, "venue's time not understood");
    }
    return null;
  }

  async #sendOnce(request: VenueRequest, timeoutMs = REQUEST_TIMEOUT_MS): Promise<VenueAnswer> {
    const { api, method, path, params = {}, onSent } = request;
    try {
      if (this.enableRateLimit) await this.throttle(this.#costOf(api, method, path, params));
      const bannedUntilMs = await this.#bannedUntilMs(request);
      if (bannedUntilMs !== null) return { kind: "banned", untilMs: bannedUntilMs, left: false };
      const { url, headers, body } = this.#sign(request);
      const answer = fetch(url, {
        method,
        headers: headers ?? {},
        ...(body === undefined ? {} : { body }),
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
      onSent?.();
      const response = await answer;
      const { status, headers: told } = response;
      // The header alone says that it is one.
      const text = await response.text().catch((cause: unknown) => (isBan(status) ? "" : Promise.reject(cause)));
      const ban = banOf({ status, retryAfter: told.get("retry-after"), text }, this.#times());
      if (ban === null) return classifyAnswer(status, text, (json) => this.parseJson(json));
      this.#bans.note(ban.ordersAlone ? this.#ordersAddress : this.#address, ban.untilMs);
      return { kind: "banned", untilMs: ban.untilMs, left: !ban.ordersAlone };
    } catch (cause) {
      return { kind: "lost", reason: messageOf(cause), cause };
    }
  }

  /** An order does not wait for a look into the store: its intent has had one. */
  async #bannedUntilMs({ method, path }: VenueRequest): Promise<number | null> {
    if (method !== "POST" || path !== "order") return await this.#bans.check(this.#address);
    return this.#bans.untilMs(this.#address) ?? this.#bans.untilMs(this.#ordersAddress);
  }

  #times(): { nowMs: number; aheadMs: number } {
    const nowMs = this.#clock.nowMs();
    return { nowMs, aheadMs: this.#serverClock.nowMs() - nowMs };
  }

  #sign({ api, method, path, params = {} }: VenueRequest): {
    url: string;
    headers?: Record<string, string>;
    body?: string;
  } {
    // Binance asks no key for old trades any more, ccxt still does.
    if (path !== "historicalTrades") return this.sign(path, api, method, params);
    return { url: `${String(this.urls.api["public"])}/${path}?${this.urlencode(params)}` };
  }

  #costOf(api: string, method: string, path: string, params: object): number {
    const config = this.api[api]?.[method.toLowerCase()]?.[path] ?? {};
    return this.calculateRateLimiterCost(api, method, path, params, config);
  }

  /** Follows a stream until the signal aborts. */
  async followStream({ stream, onFrame, onConnected, signal }: StreamRequest): Promise<void> {
    // ccxt asks for its agent before any ws:// connection, also where no proxy is used.
    await this.loadHttpProxyAgent();
    this.#onFrame.set(stream, onFrame);
    let failures = 0;
    const acknowledged = (): void => {
      failures = 0;
      onConnected();
    };
    while (!signal.aborted) {
      const bannedUntilMs = await this.#bans.check(this.#address);
      if (bannedUntilMs !== null) {
        await this.#clock.sleep(bannedUntilMs - this.#clock.nowMs(), signal);
        continue;
      }
      const reason = await this.#followOnce(stream, acknowledged, signal);
      if (signal.aborted) break;
      const banEndMs = banEndIn(reason, this.#times().aheadMs);
      if (banEndMs !== null) this.#bans.note(this.#address, banEndMs);
      failures += 1;
      const pauseMs = backoffMs(CONNECT, failures);
      this.#log.warn({ stream, reason, pauseMs }, "stream lost, connecting again");
      await this.#clock.sleep(pauseMs, signal);
    }
    this.#onFrame.delete(stream);
  }

  /** One connection's life; resolves with the reason of its end. The stream's future is never resolved, only rejected. */
  async #followOnce(stream: string, acknowledged: () => void, signal: AbortSignal): Promise<string> {
    // Each time, since a refusal of the subscription does not tell in a reliable form that the clock was why.
    if (stream === USER_STREAM) await this.#serverClock.measure();
    const url = this.#streamUrl(stream);
    const client = this.client(url);
    const id = this.requestId(url);
    const message =
      stream === USER_STREAM
        ? { id, method: "userDataStream.subscribe.signature", params: this.signParams({}) }
        : { id, method: "SUBSCRIBE", params: [stream] };
    const acknowledgement: Promise<unknown> = client.future(String(id));
    const over = new AbortController();
    const late = this.#clock.sleep(ACKNOWLEDGED_WITHIN_MS, over.signal).then(() => "not acknowledged");
    const answered = acknowledgement.then(
      () => {
        over.abort();
        acknowledged();
      },
      () => undefined,
    );
    const lost: Promise<unknown> = this.watch(url, stream, message, stream, { id });
    const reason = lost.then(
      () => "ended",
      (error: unknown) => messageOf(error),
    );
    const { promise: aborted, resolve: abort } = Promise.withResolvers<string>();
    const onAbort = (): void => abort("aborted");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const silence = Promise.race([late, answered]).then((what) => what ?? new Promise<string>(() => {}));
      return await Promise.race([reason, aborted, silence]);
    } finally {
      over.abort();
      signal.removeEventListener("abort", onAbort);
      this.#leave(client, stream);
    }
  }

  #streamUrl(stream: string): string {
    const { ws } = this.urls.api as { ws: { spot: string; "ws-api": { spot: string } } };
    return stream === USER_STREAM ? ws["ws-api"].spot : `${ws.spot}/${this.stream("spot", stream)}`;
  }

  #leave(client: StreamClient, stream: string): void {
    delete client.subscriptions[stream];
    delete client.futures[stream];
    if (Object.keys(client.subscriptions).length > 0) {
      if (client.isConnected) this.#unsubscribe(client, stream);
      return;
    }
    if (this.clients[client.url] === client) delete this.clients[client.url];
    client.clearConnectionTimeout();
    client.clearPingInterval();
    // The connection may have been lost already, then there is nothing to close.
    if (client.connection !== undefined) client.connection.close();
  }

  #unsubscribe(client: StreamClient, stream: string): void {
    const message = { id: this.requestId(client.url), method: "UNSUBSCRIBE", params: [stream] };
    client.send(message).catch((error: unknown) => {
      this.#log.debug({ stream, reason: messageOf(error) }, "stream not unsubscribed");
    });
  }

  #deliver(stream: string, frame: unknown): void {
    try {
      this.#onFrame.get(stream)?.(frame);
    } catch (error) {
      // A throw here would make ccxt reject every stream of the connection. What the frame told is noticed as a hole.
      this.#log.error({ stream, reason: messageOf(error) }, "frame not understood");
    }
  }

  override handleOHLCV(_client: StreamClient, message: { s: string; k: { i: string } }): void {
    this.#deliver(klineStream(message.s, message.k.i), message);
  }

  override handleTrade(_client: StreamClient, message: { s: string }): void {
    this.#deliver(tradeStream(message.s), message);
  }

  override handleBidsAsks(_client: StreamClient, message: { s: string }): void {
    this.#deliver(quoteStream(message.s), message);
  }

  override handleOrderUpdate(_client: StreamClient, message: unknown): void {
    this.#deliver(USER_STREAM, message);
  }

  override handleBalance(_client: StreamClient, message: unknown): void {
    this.#deliver(USER_STREAM, message);
  }

  override handleEventStreamTerminated(client: StreamClient): void {
    client.reject(new Error("user stream ended by the venue"), USER_STREAM);
  }

  override handleSubscriptionStatus(client: StreamClient, message: { id: unknown }): unknown {
    return client.resolve(message, String(message.id));
  }
}
