/**
 * The part of ccxt's `pro/binance.js` that the adapter uses (ccxt 4.5.84). Written by hand: the file is imported alone,
 * past ccxt's index with its hundred exchanges, and its own types are wide and full of `any`.
 */
declare module "ccxt/binance-pro" {
  export interface StreamClient {
    readonly url: string;
    readonly isConnected: boolean;
    /** By subscription; what is deleted is subscribed again by the next `watch`. */
    subscriptions: Record<string, unknown>;
    futures: Record<string, unknown>;
    connection: WebSocket | undefined;
    future(hash: string): Promise<unknown>;
    resolve(result: unknown, hash: string): unknown;
    reject(error: unknown, hash?: string): unknown;
    send(message: unknown): Promise<unknown>;
    clearConnectionTimeout(): void;
    clearPingInterval(): void;
  }

  export default class Binance {
    constructor(settings: Record<string, unknown>);
    readonly enableRateLimit: boolean;
    readonly urls: { api: Record<string, unknown> };
    /** Costs of the endpoints: api, method, path. */
    readonly api: Record<string, Record<string, Record<string, Record<string, unknown>>>>;
    readonly clients: Record<string, StreamClient>;
    nonce(): number;
    throttle(cost: number): Promise<void>;
    calculateRateLimiterCost(api: string, method: string, path: string, params: object, config: object): number;
    sign(
      path: string,
      api: string,
      method: string,
      params: object,
    ): { url: string; headers?: Record<string, string>; body?: string };
    signParams(params: object): object;
    urlencode(params: object): string;
    parseJson(text: string): unknown;
    loadHttpProxyAgent(): Promise<unknown>;
    client(url: string): StreamClient;
    requestId(url: string): number;
    stream(type: string, subscription: string): string;
    watch(url: string, hash: string, message: unknown, subscribeHash: string, subscription: unknown): Promise<unknown>;
    handleOHLCV(client: StreamClient, message: unknown): void;
    handleTrade(client: StreamClient, message: unknown): void;
    handleBidsAsks(client: StreamClient, message: unknown): void;
    handleOrderUpdate(client: StreamClient, message: unknown): void;
    handleBalance(client: StreamClient, message: unknown): void;
    handleEventStreamTerminated(client: StreamClient, message: unknown): void;
    handleSubscriptionStatus(client: StreamClient, message: unknown): unknown;
    close(): Promise<void>;
  }
}
