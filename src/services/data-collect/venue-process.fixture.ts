import { pino } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createCcxtExchanges } from "#shared/exchange/ccxt.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { startPaperVenue } from "#shared/exchange/paper-venue.fixture.ts";

const MARKET = "made-up";
/** What the venue trades. */
export const MADE_UP = "BTC/USDT.paper";

const SETTINGS = {
  id: MARKET,
  symbol: "BTC/USDT",
  pace: "synthetic",
  startPrice: "30000",
  tradeEveryMs: 100,
  historyBars: 10,
  rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
  fees: { maker: "0.0005", taker: "0.001" },
  account: { apiKey: "key", secret: "secret", balances: { USDT: "1" } },
};

/** The simulated venue with a market in wall-clock time. */
export interface VenueProcess {
  /** Makes the engine's own connector to it. */
  connect(clock?: Clock): Exchanges;
  /** Sets the faults of its market in place of those before. */
  misbehave(...faults: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startVenueProcess(): Promise<VenueProcess> {
  const venue = await startPaperVenue([SETTINGS]);
  return {
    connect: (clock = systemClock) =>
      createCcxtExchanges({
        venues: [{ id: "paper", connector: "binance", restUrl: venue.url(MARKET) }],
        accounts: [],
        clock,
        log: pino({ level: "silent" }),
      }),
    misbehave: (...faults) => venue.control(MARKET, "faults", { faults }),
    stop: () => venue.stop(),
  };
}
