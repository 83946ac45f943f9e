import { pino } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createBinanceExchanges } from "#shared/exchange/binance-exchanges.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { MADE_UP_MARKET, startPaperVenue } from "#shared/exchange/paper-venue.fixture.ts";

/** What the venue trades. */
export const MADE_UP = "BTC/USDT.paper";

/** The simulated venue with a market in wall-clock time. */
export interface VenueProcess {
  /** Makes the engine's own connector to it. */
  connect(clock?: Clock): Exchanges;
  /** Sets the faults of its market in place of those before. */
  misbehave(...faults: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startVenueProcess(): Promise<VenueProcess> {
  const venue = await startPaperVenue([MADE_UP_MARKET]);
  return {
    connect: (clock = systemClock) =>
      createBinanceExchanges({
        venues: [{ id: "paper", connector: "binance", restUrl: venue.url(MADE_UP_MARKET.id) }],
        accounts: [],
        clock,
        log: pino({ level: "silent" }),
      }),
    misbehave: (...faults) => venue.control(MADE_UP_MARKET.id, "faults", { faults }),
    stop: () => venue.stop(),
  };
}
