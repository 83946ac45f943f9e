import { startPaperVenue } from "#shared/exchange/paper-venue.fixture.ts";

export const KEYS = { apiKey: "paper-key", secret: "paper-secret" };
/** What the account of each market owns before its first order, in the quote asset. */
export const DEPOSIT = "1000000";

/** The simulated venue with ticker markets. */
export interface VenueProcess {
  /** Base URL of a market. */
  url(marketId: string): string;
  /** Shows one price: market orders that wait, and limit orders that it reaches, are filled. */
  tick(marketId: string, price: string): Promise<void>;
  /** Sets the faults of a market in place of those before. */
  misbehave(marketId: string, faults: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

function marketOf(id: string) {
  return {
    id,
    symbol: "SPX/USD",
    pace: "manual",
    firstPrice: "next",
    rules: { priceStep: "0.01", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10", feeDecimals: 8 },
    fees: { maker: "0.0005", taker: "0.001" },
    account: { ...KEYS, balances: { USD: DEPOSIT } },
  };
}

/** Starts the venue with a ticker market for each id. Each has an account of its own, so that tests share nothing. */
export async function startVenueProcess(marketIds: readonly string[]): Promise<VenueProcess> {
  const venue = await startPaperVenue(marketIds.map(marketOf));
  return {
    url: (marketId) => venue.url(marketId),
    tick: (marketId, price) => venue.control(marketId, "tick", { price }),
    misbehave: (marketId, faults) => venue.control(marketId, "faults", { faults }),
    stop: () => venue.stop(),
  };
}
