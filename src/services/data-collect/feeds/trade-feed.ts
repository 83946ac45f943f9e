import type { VenueTrade } from "#shared/domain/candle.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { event, MARKET_TRADES } from "#shared/messages/topics.ts";
import { askUntilTold } from "./ask-until-told.ts";
import { type TickFeedOptions, TickLink } from "./tick-link.ts";

/** The public trades of one instrument, from the venue's frames to `market.trades`, each the moment it arrives. */
export class TradeFeed {
  readonly #options: TickFeedOptions;
  readonly #link: TickLink;
  #newest: VenueTrade | null = null;
  #isAsking = false;

  constructor(options: TickFeedOptions) {
    this.#options = options;
    this.#link = new TickLink(options);
  }

  /** Follows until the signal aborts. After each connection the newest trade is published, so that its id shows a hole. */
  async run(): Promise<void> {
    const { deps, instrument, log } = this.#options;
    await this.#link.follow((signal) =>
      deps.exchanges.marketData(instrument.venue).followTrades({
        instrument,
        signal,
        onTrades: (trades) => {
          this.#link.heard();
          this.#newest = trades.at(-1) ?? this.#newest;
          this.#publish(trades);
        },
        onConnected: () => {
          this.#readNewest().catch((error: unknown) =>
            log.warn({ reason: messageOf(error) }, "newest trade not published"),
          );
        },
      }),
    );
  }

  /**
   * Looks whether no trade came for a while. Then the venue is asked; if it has a trade that no frame brought, the
   * connection is made anew.
   */
  look(): void {
    if (this.#isAsking || !this.#link.isOverdue()) return;
    this.#isAsking = true;
    this.#readNewest()
      .then((isUnheard) => {
        if (isUnheard) this.#link.connectAnew("trades");
      })
      .catch((error: unknown) => this.#options.log.warn({ reason: messageOf(error) }, "newest trade not told"))
      .finally(() => {
        this.#isAsking = false;
      });
  }

  /** Publishes the venue's newest trade. True: no frame has brought it. */
  async #readNewest(): Promise<boolean> {
    const { deps, instrument, signal, log } = this.#options;
    const market = deps.exchanges.marketData(instrument.venue);
    const told = await askUntilTold(() => market.trades({ instrument, limit: 1 }), { signal, log });
    this.#publish(told);
    const [trade] = told;
    const before = this.#newest;
    if (trade === undefined) return false;
    // By its time too: ids may have begun anew.
    const isUnheard = before === null || BigInt(trade.tradeId) > BigInt(before.tradeId) || trade.atMs > before.atMs;
    if (isUnheard) this.#newest = trade;
    return isUnheard;
  }

  #publish(trades: readonly VenueTrade[]): void {
    const { deps, log } = this.#options;
    deps.bus
      .publishVolatile(trades.map((trade) => event(MARKET_TRADES, trade.instrumentId, "market.trade", trade)))
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "trades not published, the next one shows it"));
  }
}
