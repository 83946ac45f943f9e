import type { Logger } from "pino";
import type { QuoteBoard } from "#services/market-data/quote-board.ts";
import type { Store } from "#services/market-data/store.ts";
import type { Candle, Quote } from "#shared/domain/candle.ts";
import type { Channel } from "./channel.ts";
import { type ChannelName, keyOf, seriesKey } from "./protocol.ts";
import { QuoteChannel } from "./quote-channel.ts";
import { SeriesChannel } from "./series-channel.ts";

export interface MarketStreamOptions {
  store: Pick<Store, "series" | "candles" | "isFollowed">;
  quotes: QuoteBoard;
  log: Logger;
}

/**
 * What this replica hears of candles and quotes, for those who follow some of it. All replicas hear all of it. A channel is there
 * while somebody follows it; the forming candle of every series is remembered, since none is stored.
 */
export class MarketStream {
  readonly #options: MarketStreamOptions;
  readonly #series = new Map<string, SeriesChannel>();
  readonly #quotes = new Map<string, QuoteChannel>();
  /** The newest one of each series, also when it is over. */
  readonly #forming = new Map<string, Candle>();

  constructor(options: MarketStreamOptions) {
    this.#options = options;
  }

  /** Takes a candle in, closed or forming. Two owners may tell of one series during a hand-over: an older state is dropped. */
  noteCandle(candle: Candle): void {
    const key = seriesKey(candle);
    const forming = this.#forming.get(key);
    if (!candle.closed) {
      if (forming !== undefined && isOlder(candle, forming)) return;
      this.#forming.set(key, candle);
    }
    this.#series.get(key)?.note(candle);
  }

  /** Takes a quote in. */
  noteQuote(quote: Quote): void {
    this.#options.quotes.note(quote);
    this.#quotes.get(keyOf({ channel: "quotes", instrumentId: quote.instrumentId }))?.refresh();
  }

  /** Tells of quotes that do not stand any more. */
  expireQuotes(): void {
    for (const channel of this.#quotes.values()) channel.refresh();
  }

  /** Whether the venue is listened to for the instrument now. */
  async isFollowed(instrumentId: string): Promise<boolean> {
    return await this.#options.store.isFollowed(instrumentId);
  }

  /** The channel of this name; whoever enters it has to leave it. */
  enter(name: ChannelName): Channel {
    const channel = name.channel === "candles" ? this.#seriesOf(name) : this.#quotesOf(name);
    channel.users += 1;
    return channel;
  }

  /** The last one to leave takes the channel with it. */
  leave(channel: Channel): void {
    channel.users -= 1;
    if (channel.users > 0) return;
    this.#series.delete(channel.key);
    this.#quotes.delete(channel.key);
  }

  #seriesOf({ instrumentId, timeFrame }: Extract<ChannelName, { channel: "candles" }>): SeriesChannel {
    const { store, log } = this.#options;
    const key = seriesKey({ instrumentId, timeFrame });
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const forming = () => this.#forming.get(key) ?? null;
    const made = new SeriesChannel({ key, instrumentId, timeFrame, store, log, forming });
    this.#series.set(key, made);
    return made;
  }

  #quotesOf(name: Extract<ChannelName, { channel: "quotes" }>): QuoteChannel {
    const key = keyOf(name);
    const channel = this.#quotes.get(key) ?? new QuoteChannel(key, name.instrumentId, this.#options.quotes);
    this.#quotes.set(key, channel);
    return channel;
  }
}

function isOlder(candle: Candle, known: Candle): boolean {
  if (candle.openAtMs !== known.openAtMs) return candle.openAtMs < known.openAtMs;
  return (candle.tradedAtMs ?? 0) < (known.tradedAtMs ?? 0);
}
