import type { CandleQuery, Store } from "#services/market-data/store.ts";
import type { Cache } from "#shared/cache/cache.ts";
import type { Candle } from "#shared/domain/candle.ts";

export interface CandlePagesOptions {
  store: Store;
  cache: Cache;
  cacheMs: number;
  /** Of the database; part of each cache key. */
  incarnation: () => Promise<string>;
}

/**
 * Pages of closed candles by their number, through the cache. Only a full page that begins with the number asked for is kept: a stored
 * candle never changes, but others will grow, at the end or at the beginning.
 */
export class CandlePages {
  readonly #options: CandlePagesOptions;

  constructor(options: CandlePagesOptions) {
    this.#options = options;
  }

  async read(query: CandleQuery): Promise<Candle[]> {
    const { store, cache, cacheMs, incarnation } = this.#options;
    const { instrumentId, timeFrame, fromN, fromMs, toMs, limit } = query;
    if (fromN === undefined || fromMs !== undefined || toMs !== undefined) return await store.candles(query);
    const key = `market-data:${await incarnation()}:candles:${instrumentId}:${timeFrame}:${fromN}:${limit}`;
    const cached = await cache.get(key);
    if (cached !== null) return JSON.parse(cached) as Candle[];
    const candles = await store.candles(query);
    if (candles.length === limit && candles[0]?.n === fromN) await cache.set(key, JSON.stringify(candles), cacheMs);
    return candles;
  }
}
