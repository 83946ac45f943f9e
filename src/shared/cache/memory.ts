import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { Cache } from "./cache.ts";

/** A cache in this process' memory. What has run out is forgotten when it is asked for, or when the cache is full. */
export function createMemoryCache({
  clock = systemClock,
  maxKeys = 10_000,
}: {
  clock?: Clock;
  maxKeys?: number;
} = {}): Cache {
  const entries = new Map<string, { value: string; untilMs: number }>();
  return {
    async get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return null;
      if (entry.untilMs > clock.monotonicMs()) return entry.value;
      entries.delete(key);
      return null;
    },
    async set(key, value, ttlMs) {
      entries.delete(key);
      entries.set(key, { value, untilMs: clock.monotonicMs() + ttlMs });
      // The oldest write goes first: a cache may forget anything.
      for (const oldest of entries.keys()) {
        if (entries.size <= maxKeys) break;
        entries.delete(oldest);
      }
    },
    async delete(keys) {
      for (const key of keys) entries.delete(key);
    },
    async close() {
      entries.clear();
    },
  };
}
