import type { Logger } from "pino";
import type { VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { event, MARKET_TRADES } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { askUntilTold } from "./ask-until-told.ts";
import { createSilence, type Silence } from "./silence.ts";

export interface TradeFeedOptions {
  deps: Pick<Deps, "bus" | "clock"> & { exchanges: Pick<Exchanges, "marketData"> };
  log: Logger;
  instrument: Instrument;
  /**
   * How long no trade may come before the venue is asked for its newest. A market may be quiet, so the pauses between
   * questions grow.
   */
  quietAfterMs: number;
  signal: AbortSignal;
}

const LONGEST_PAUSE_MS = 60_000;

/** The public trades of one instrument, from the venue's frames to `market.trades`, each the moment it arrives. */
export class TradeFeed {
  readonly #options: TradeFeedOptions;
  readonly #silence: Silence;
  #newest: VenueTrade | null = null;
  #isAsking = false;
  /** Aborted to make the connection anew. */
  #link = new AbortController();

  constructor(options: TradeFeedOptions) {
    this.#options = options;
    this.#silence = createSilence({
      lengthMs: 0,
      staleAfterMs: options.quietAfterMs,
      longestPauseMs: LONGEST_PAUSE_MS,
      // A trade is never due by the clock.
      marketNowMs: null,
      clock: options.deps.clock,
    });
  }

  /** Follows until the signal aborts. After each connection the newest trade is published, so that its id shows a hole. */
  async run(): Promise<void> {
    const { deps, instrument, signal, log } = this.#options;
    while (!signal.aborted) {
      this.#link = new AbortController();
      await deps.exchanges.marketData(instrument.venue).followTrades({
        instrument,
        signal: AbortSignal.any([signal, this.#link.signal]),
        onTrades: (trades) => {
          this.#silence.heard();
          this.#newest = trades.at(-1) ?? this.#newest;
          this.#publish(trades);
        },
        onConnected: () => {
          this.#readNewest().catch((error: unknown) =>
            log.warn({ reason: messageOf(error) }, "newest trade not published"),
          );
        },
      });
    }
  }

  /**
   * Looks whether no trade came for a while. Then the venue is asked; if it has a trade that no frame brought, the
   * connection is made anew.
   */
  look(): void {
    if (this.#isAsking || !this.#silence.isOverdue()) return;
    this.#isAsking = true;
    this.#readNewest()
      .then((isUnheard) => {
        if (isUnheard) this.#connectAnew();
      })
      .catch((error: unknown) => this.#options.log.warn({ reason: messageOf(error) }, "newest trade not told"))
      .finally(() => {
        this.#isAsking = false;
      });
  }

  #connectAnew(): void {
    const { log, instrument, signal } = this.#options;
    if (signal.aborted || !this.#silence.mayConnect()) return;
    log.warn({ instrumentId: instrument.id }, "stream of trades is silent, connecting again");
    this.#link.abort();
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
