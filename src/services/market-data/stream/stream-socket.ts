import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { problemOf } from "#shared/http/problem.ts";
import type { Channel, Listener } from "./channel.ts";
import type { MarketStream } from "./market-stream.ts";
import { Outbox, type Wire } from "./outbox.ts";
import { type ChannelName, keyOf, readRequest, type StreamMessage } from "./protocol.ts";

/** Channels that one socket may follow. */
export const MOST_SUBSCRIPTIONS = 100;
/** Messages of a client: so many at once, and so many a second after them. */
export const MOST_AT_ONCE = 200;
const MESSAGES_A_SECOND = 20;

export interface StreamSocketOptions {
  stream: MarketStream;
  clock: Pick<Clock, "monotonicMs">;
  log: Logger;
}

/** One client: what it asks for, one message after the other, and what it follows. */
export class StreamSocket {
  readonly #options: StreamSocketOptions;
  readonly #wire: Wire;
  readonly #outbox: Outbox;
  readonly #followed = new Map<string, { channel: Channel; listener: Listener }>();
  #work = Promise.resolve();
  /** Messages that are not answered yet. */
  #waiting = 0;
  /** Messages that it may send now. */
  #allowance = MOST_AT_ONCE;
  #countedAtMs: number;
  #isClosed = false;

  constructor(wire: Wire, options: StreamSocketOptions) {
    this.#options = options;
    this.#wire = wire;
    this.#outbox = new Outbox(wire);
    this.#countedAtMs = options.clock.monotonicMs();
  }

  /** Takes a message in, which the server has parsed where it was JSON. Answers come in the order of the messages. */
  receive(message: unknown): void {
    if (!this.#allows()) return;
    this.#waiting += 1;
    this.#work = this.#work
      .then(() => this.#handle(message))
      .catch((error: unknown) => this.#refuse(error))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** There is room again for what was held back. */
  drain(): void {
    this.#outbox.flush();
  }

  /** Closes it from our side. */
  end(code: number, reason: string): void {
    this.#wire.close(code, reason);
  }

  /** It is closed: it follows nothing any more. */
  close(): void {
    this.#isClosed = true;
    for (const key of this.#followed.keys()) this.#unfollow(key);
  }

  /** Whoever goes on although it is refused is closed (1008). */
  #allows(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const grown = this.#allowance + ((nowMs - this.#countedAtMs) * MESSAGES_A_SECOND) / 1_000;
    this.#allowance = Math.min(MOST_AT_ONCE, grown) - 1;
    this.#countedAtMs = nowMs;
    if (this.#allowance >= 0 && this.#waiting < MOST_AT_ONCE) return true;
    const text = `Too many messages: ${MESSAGES_A_SECOND} a second are taken, ${MOST_AT_ONCE} at once.`;
    if (this.#allowance < -MOST_AT_ONCE) this.end(1008, text);
    else this.#answer({ type: "error", code: "RATE_LIMITED", message: text });
    return false;
  }

  async #handle(message: unknown): Promise<void> {
    if (this.#isClosed) return;
    const { op, name } = readRequest(message);
    if (op === "subscribe") return await this.#subscribe(name);
    this.#unfollow(keyOf(name));
    this.#answer({ type: "unsubscribed", ...name });
  }

  /** Who follows it already gets its state anew. */
  async #subscribe(name: ChannelName): Promise<void> {
    const key = keyOf(name);
    if (!this.#followed.has(key)) {
      if (this.#followed.size >= MOST_SUBSCRIPTIONS) return this.#refuseMore();
      const channel = await this.#enter(name);
      if (channel === null) return;
      this.#followed.set(key, { channel, listener: (update) => this.#outbox.tell(key, update) });
    }
    const isFollowed = await this.#options.stream.isFollowed(name.instrumentId);
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    // Nothing is awaited from here on: each later step of the channel is told behind this state of it.
    const snapshot = followed.channel.snapshot();
    this.#outbox.drop(key);
    this.#answer({ type: "subscribed", ...name });
    this.#answer({ type: "snapshot", ...name, ...snapshot, followed: isFollowed });
    followed.channel.listeners.add(followed.listener);
  }

  /** A channel that has its state; null: the socket was closed meanwhile. */
  async #enter(name: ChannelName): Promise<Channel | null> {
    const { stream } = this.#options;
    const channel = stream.enter(name);
    let isUsed = false;
    try {
      if (!(await channel.opened)) throw unknownSeries(channel);
      isUsed = !this.#isClosed;
      return isUsed ? channel : null;
    } finally {
      if (!isUsed) stream.leave(channel);
    }
  }

  #unfollow(key: string): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    followed.channel.listeners.delete(followed.listener);
    this.#followed.delete(key);
    this.#outbox.drop(key);
    this.#options.stream.leave(followed.channel);
  }

  #refuseMore(): void {
    const message = `A socket follows ${MOST_SUBSCRIPTIONS} channels at most: unsubscribe from one, or open another socket.`;
    this.#answer({ type: "error", code: "TOO_MANY_SUBSCRIPTIONS", message });
  }

  /** As the HTTP routes do: what is ours stays in the log. */
  #refuse(error: unknown): void {
    const { code, detail: message, status } = problemOf(error);
    if (status >= 500) this.#options.log.warn({ err: error }, "stream message not answered");
    this.#answer({ type: "error", code, message });
  }

  #answer(message: StreamMessage): void {
    if (!this.#isClosed) this.#outbox.answer(JSON.stringify(message));
  }
}

function unknownSeries({ key }: Channel): AppError {
  const text = `There are no ${key} here: POST /api/market-data/series makes the series.`;
  return new AppError("NOT_FOUND", "permanent", text);
}
