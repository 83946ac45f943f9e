import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { AdvisoryLock } from "./leader.ts";

/** Who has which lock until when (monotonic clock). Locks that are to see each other share one. */
export type MemoryLocks = Map<string, { owner: symbol; untilMs: number }>;

/** Locks in this process' memory: for one process alone, and for tests. Each call makes one contender. */
export function createMemoryLock(locks: MemoryLocks = new Map(), clock: Clock = systemClock): AdvisoryLock {
  const owner = Symbol("lock owner");

  const take = (name: string, ttlMs: number): void => {
    locks.set(name, { owner, untilMs: clock.monotonicMs() + ttlMs });
  };
  const isTaken = (name: string): boolean => {
    const present = locks.get(name);
    return present !== undefined && present.owner !== owner && present.untilMs > clock.monotonicMs();
  };
  const drop = (name: string): void => {
    if (locks.get(name)?.owner === owner) locks.delete(name);
  };

  return {
    async acquire(name, ttlMs) {
      if (isTaken(name)) return false;
      take(name, ttlMs);
      return true;
    },
    async extend(name, ttlMs) {
      take(name, ttlMs);
    },
    async release(name) {
      drop(name);
    },
    async close() {
      for (const name of locks.keys()) drop(name);
    },
  };
}
