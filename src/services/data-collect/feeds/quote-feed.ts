import type { Quote } from "#shared/domain/candle.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { event, MARKET_QUOTES } from "#shared/messages/topics.ts";
import { type TickFeedOptions, TickLink } from "./tick-link.ts";

/** A venue may tell hundreds a second; between two that go out are so many milliseconds at least. */
const EVERY_MS = 100;

/** Best bid and ask of one instrument, from the venue's frames to `market.quotes`: the newest alone counts. */
export class QuoteFeed {
  readonly #options: TickFeedOptions;
  readonly #link: TickLink;
  /** The last one that the venue told; null: none, or the venue could not be asked whether it still stands. */
  #standing: Quote | null = null;
  #waiting: Quote | null = null;
  #isTelling = false;
  #isAsking = false;

  constructor(options: TickFeedOptions) {
    this.#options = options;
    this.#link = new TickLink(options);
  }

  /** Follows until the signal aborts. After each connection the venue is asked, since its stream tells of changes alone. */
  async run(): Promise<void> {
    const { deps, instrument } = this.#options;
    await this.#link.follow((signal) =>
      deps.exchanges.marketData(instrument.venue).followQuotes({
        instrument,
        signal,
        onQuote: (quote) => {
          this.#link.heard();
          this.#take(quote);
        },
        onConnected: () => this.#ask(),
      }),
    );
  }

  /** Tells the one that stands again, so that who joins or lost a message has it. */
  repeat(): void {
    if (this.#standing !== null) this.#tellNext(this.#standing);
  }

  /** Looks whether no frame came for a while. Then the venue is asked; where it tells another quote, the connection is made anew. */
  look(): void {
    if (this.#link.isOverdue()) this.#ask({ isSilent: true });
  }

  #ask({ isSilent = false } = {}): void {
    if (this.#isAsking) return;
    const { deps, instrument, signal, log } = this.#options;
    const before = this.#standing;
    this.#isAsking = true;
    deps.exchanges
      .marketData(instrument.venue)
      .quote(instrument)
      .then((quote) => {
        // What a frame brought meanwhile is newer than the answer.
        if (signal.aborted || this.#standing !== before) return;
        if (before !== null && isSame(before, quote)) return;
        this.#take(quote);
        if (isSilent) this.#link.connectAnew("quotes");
      })
      .catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, "best bid and ask not told by the venue");
        // Nobody knows whether it stands.
        if (this.#standing === before) this.#standing = null;
      })
      .finally(() => {
        this.#isAsking = false;
      });
  }

  #take(quote: Quote): void {
    this.#standing = quote;
    this.#tellNext(quote);
  }

  #tellNext(quote: Quote): void {
    this.#waiting = quote;
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#tell()
      .catch((error: unknown) =>
        this.#options.log.warn({ reason: messageOf(error) }, "quote not published, it will be repeated"),
      )
      .finally(() => {
        this.#isTelling = false;
      });
  }

  /** The first at once; while it is told, the newest of those that come waits for its turn. */
  async #tell(): Promise<void> {
    const { deps, signal } = this.#options;
    while (this.#waiting !== null && !signal.aborted) {
      const quote = this.#waiting;
      this.#waiting = null;
      await deps.bus.publishVolatile([event(MARKET_QUOTES, quote.instrumentId, "market.quote", quote)]);
      await deps.clock.sleep(EVERY_MS, signal);
    }
  }
}

function isSame(one: Quote, other: Quote): boolean {
  return (
    one.bid === other.bid && one.bidSize === other.bidSize && one.ask === other.ask && one.askSize === other.askSize
  );
}
