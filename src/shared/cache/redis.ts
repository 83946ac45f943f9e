import { Redis } from "ioredis";
import { backoffMs, RECONNECT } from "#shared/clock/backoff.ts";
import type { Cache } from "./cache.ts";

/** A cache is to save time: an answer that takes longer counts as not there. */
const DEADLINE_MS = 500;
/** After so long without an answer the connection is made anew. */
const SILENT_MS = 1_000;

/** A cache in Redis. Keys begin with `<prefix>:cache:` and expire. A Redis that is away is a cache that is empty. */
export function createRedisCache({ url, prefix }: { url: string; prefix: string }): Cache {
  const redis = new Redis(url, {
    keyPrefix: `${prefix}:cache:`,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: DEADLINE_MS,
    socketTimeout: SILENT_MS,
    retryStrategy: (times) => backoffMs(RECONNECT, times),
  });
  // Trouble shows as misses.
  redis.on("error", () => undefined);
  return {
    get: (key) => redis.get(key).catch(() => null),
    async set(key, value, ttlMs) {
      await redis.set(key, value, "PX", Math.max(1, Math.ceil(ttlMs))).catch(() => null);
    },
    async delete(keys) {
      if (keys.length > 0) await redis.unlink(...keys).catch(() => 0);
    },
    async close() {
      redis.disconnect();
    },
  };
}
