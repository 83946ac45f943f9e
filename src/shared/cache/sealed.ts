import type { Seal } from "#shared/seal/seal.ts";
import type { Cache } from "./cache.ts";

/** A cache whose values are sealed for their keys: what another one has written is not there. */
export function sealCache(cache: Cache, seal: Seal): Cache {
  return {
    async get(key) {
      const sealed = await cache.get(key);
      return sealed === null ? null : seal.open(`cache ${key}`, sealed);
    },
    set: (key, value, ttlMs) => cache.set(key, seal.seal(`cache ${key}`, value), ttlMs),
    delete: (keys) => cache.delete(keys),
    close: () => cache.close(),
  };
}
