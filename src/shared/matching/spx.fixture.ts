import type { Instrument } from "#shared/domain/instrument.ts";
import { TIME_FRAMES } from "#shared/domain/time-frame.ts";

/** The demo's instrument, for tests. */
export const spx: Instrument = {
  id: "SPX/USD.paper",
  symbol: "SPX/USD",
  venue: "paper",
  venueSymbol: "SPXUSD",
  base: "SPX",
  quote: "USD",
  priceStep: "0.000001",
  sizeStep: "0.0001",
  minSize: "0.0001",
  maxSize: null,
  marketSizeStep: null,
  marketMinSize: "0",
  marketMaxSize: null,
  minNotional: "10",
  minNotionalAppliesToMarket: true,
  maxNotional: null,
  maxNotionalAppliesToMarket: true,
  priceBand: null,
  maxOpenOrders: null,
  makerFee: "0.0005",
  takerFee: "0.001",
  feeDecimals: 8,
  status: "TRADING",
  timeFrames: [...TIME_FRAMES],
};
