/** Where a Binance stands. Without URLs it is the real one. */
export interface BinanceUrls {
  /** Below it: `/api/v3/...`. */
  restUrl?: string | undefined;
  /** Market streams; default: `restUrl` with the scheme ws and `/ws`. */
  wsUrl?: string | undefined;
  /** WebSocket API with the user stream; default: `restUrl` with the scheme ws and `/ws-api/v3`. */
  wsApiUrl?: string | undefined;
}

/** Bans of a venue are for its address; the real one has one name. */
export function addressOf({ restUrl }: BinanceUrls): string {
  return restUrl?.replace(/\/+$/, "") ?? "https://api.binance.com";
}

/** New orders are counted for an account there: what is banned of them alone is kept under this name. */
export function ordersAddressOf(urls: BinanceUrls, accountId: string): string {
  return `${addressOf(urls)}#orders:${accountId}`;
}
