/** A cache that several processes share. It may forget anything at any time; every key has an expiry. */
export interface Cache {
  /** Null: not there, or the cache does not answer. */
  get(key: string): Promise<string | null>;
  /** Never throws: a cache that is away costs time, nothing else. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
