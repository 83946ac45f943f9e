import { Redis } from "ioredis";
import Redlock, { ExecutionError, type Lock, ResourceLockedError } from "redlock";
import { backoffMs, RECONNECT } from "#shared/clock/backoff.ts";
import type { AdvisoryLock } from "./leader.ts";

/** How long an answer of Redis is waited for before the rows alone decide. */
const DEADLINE_MS = 500;
/** After so long without an answer the connection is made anew. */
const SILENT_MS = 1_000;

/** Whether the lock service answered that someone else has the lock. Any other failure is one of the service. */
async function isTaken(error: unknown): Promise<boolean> {
  if (!(error instanceof ExecutionError)) return false;
  for (const attempt of error.attempts) {
    const { votesAgainst } = await attempt;
    for (const reason of votesAgainst.values()) if (reason instanceof ResourceLockedError) return true;
  }
  return false;
}

function connect(url: string): { redis: Redis; connected: Promise<void> } {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: DEADLINE_MS,
    socketTimeout: SILENT_MS,
    // A master that was demoted closes no connection: connect again and find the new one.
    reconnectOnError: (error) => error.message.includes("READONLY"),
    retryStrategy: (times) => backoffMs(RECONNECT, times),
  });
  // Trouble shows in the commands; a lock service that is away is no fault.
  redis.on("error", () => undefined);
  const connected = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, DEADLINE_MS);
    redis.once("ready", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return { redis, connected };
}

/** Redlock over one Redis. A lock that was lost (FLUSHALL, fail-over) or forged is taken again at its next extension. */
export function createRedlockLock({ url, prefix }: { url: string; prefix: string }): AdvisoryLock {
  const { redis, connected } = connect(url);
  const redlock = new Redlock([redis], { retryCount: 0, driftFactor: 0 });
  const locks = new Map<string, Lock>();

  const keyOf = (name: string) => `${prefix}:lock:${name}`;

  async function acquire(name: string, ttlMs: number): Promise<boolean> {
    await connected;
    try {
      locks.set(name, await redlock.acquire([keyOf(name)], Math.floor(ttlMs)));
      return true;
    } catch (error) {
      return !(await isTaken(error));
    }
  }

  return {
    acquire,
    async extend(name, ttlMs) {
      const lock = locks.get(name);
      try {
        if (lock === undefined) throw new Error("The lock was never won.");
        locks.set(name, await redlock.extend(lock, Math.floor(ttlMs)));
      } catch {
        // Whatever stands there is no leader's: a contender's, who gives it back, or somebody else's, without an end.
        await redis.unlink(keyOf(name));
        await acquire(name, ttlMs);
      }
    },
    async release(name) {
      const lock = locks.get(name);
      locks.delete(name);
      // A lock that cannot be given back runs out by itself.
      if (lock !== undefined) await redlock.release(lock).catch(() => undefined);
    },
    async close() {
      await Promise.all([...locks.values()].map((lock) => redlock.release(lock).catch(() => undefined)));
      locks.clear();
      redis.disconnect();
    },
  };
}
