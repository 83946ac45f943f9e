import type { Logger } from "pino";
import type { VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { event, MARKET_TRADES } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { askUntilTold } from "./ask-until-told.ts";

export interface TradeFeedOptions {
  deps: Pick<Deps, "bus" | "exchanges">;
  log: Logger;
  instrument: Instrument;
  signal: AbortSignal;
}

/** The public trades of one instrument, from the venue's frames to `market.trades`, each the moment it arrives. */
export class TradeFeed {
  readonly #options: TradeFeedOptions;

  constructor(options: TradeFeedOptions) {
    this.#options = options;
  }

  /** Follows until the signal aborts. After each connection the newest trade is published, so that its id shows a hole. */
  async run(): Promise<void> {
    const { deps, instrument, signal, log } = this.#options;
    const market = deps.exchanges.marketData(instrument.venue);
    const publishNewest = async (): Promise<void> => {
      this.#publish(await askUntilTold(() => market.trades({ instrument, limit: 1 }), { signal, log }));
    };
    await market.followTrades({
      instrument,
      signal,
      onTrades: (trades) => this.#publish(trades),
      onConnected: () => {
        publishNewest().catch((error: unknown) => log.warn({ reason: messageOf(error) }, "newest trade not published"));
      },
    });
  }

  #publish(trades: readonly VenueTrade[]): void {
    const { deps, log } = this.#options;
    deps.bus
      .publishVolatile(trades.map((trade) => event(MARKET_TRADES, trade.instrumentId, "market.trade", trade)))
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "trades not published, the next one shows it"));
  }
}
