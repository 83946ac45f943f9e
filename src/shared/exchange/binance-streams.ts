/** Stands for the account's own stream, whose name Binance makes. */
export const USER_STREAM = "user";

/** Name of the stream of an instrument's bars. */
export function klineStream(venueSymbol: string, timeFrame: string): string {
  return `${venueSymbol.toLowerCase()}@kline_${timeFrame}`;
}

/** Name of the stream of an instrument's best bid and ask. */
export function quoteStream(venueSymbol: string): string {
  return `${venueSymbol.toLowerCase()}@bookTicker`;
}

/** Name of the stream of an instrument's trades. */
export function tradeStream(venueSymbol: string): string {
  return `${venueSymbol.toLowerCase()}@trade`;
}
