import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { messageOf } from "#shared/errors/app-error.ts";

/** A lease that this process believes to hold. */
export interface HeldLease<Key> {
  readonly key: Key;
  /** Aborts when the lease is ended or could not be extended in time. */
  readonly signal: AbortSignal;
  /** Ends it here; nothing is told to the database. */
  end(): void;
}

export interface LeaseKeeper<Key> {
  /** Keeps a lease that was taken by a statement which began at `takenAtMs` of the monotonic clock. */
  hold(key: Key, takenAtMs: number): HeldLease<Key>;
  held(): HeldLease<Key>[];
  close(): void;
}

export interface LeaseKeeperOptions<Key> {
  clock: Clock;
  log: Logger;
  leaseMs: number;
  /** Extends these leases in one statement and resolves with those that were extended. */
  extend: (leases: readonly HeldLease<Key>[]) => Promise<readonly HeldLease<Key>[]>;
}

/** The part of a lease after which its holder steps down by its own clock, so that it is out before the lease is over. */
const STEP_DOWN_PART = 0.8;
/** One timer looks after all leases this often. */
const TICKS_A_LEASE = 12;

interface Entry<Key> extends HeldLease<Key> {
  deadlineMs: number;
}

/**
 * Keeps any number of leases with one timer: all are extended in one statement at a third of the lease, and each one that
 * was not extended in time is ended by the monotonic clock before the database would give it to someone else. A statement
 * that hangs delays no one's deadline.
 */
export function createLeaseKeeper<Key>(options: LeaseKeeperOptions<Key>): LeaseKeeper<Key> {
  const { clock, log, leaseMs } = options;
  const entries = new Set<Entry<Key>>();
  const closing = new AbortController();
  let ticking = false;
  let extending = false;
  let nextExtensionMs = 0;

  async function extendAll(): Promise<void> {
    const startedAtMs = clock.monotonicMs();
    const asked = [...entries];
    extending = true;
    try {
      const extended = new Set(await options.extend(asked));
      for (const entry of asked) {
        if (extended.has(entry)) entry.deadlineMs = startedAtMs + leaseMs * STEP_DOWN_PART;
      }
      // What was left out is locked by someone just now: ask again at the next tick.
      if (asked.some((entry) => entries.has(entry) && !extended.has(entry))) nextExtensionMs = 0;
    } catch (error) {
      nextExtensionMs = 0;
      log.warn({ error: messageOf(error), leases: asked.length }, "Leases could not be extended");
    } finally {
      extending = false;
    }
  }

  function stepDown(): void {
    const nowMs = clock.monotonicMs();
    for (const entry of entries) {
      if (entry.deadlineMs > nowMs) continue;
      log.warn({ lease: entry.key }, "Stepped down: the lease was not extended in time");
      entry.end();
    }
  }

  async function tick(): Promise<void> {
    nextExtensionMs = clock.monotonicMs() + leaseMs / 3;
    while (entries.size > 0 && !closing.signal.aborted) {
      await clock.sleep(leaseMs / TICKS_A_LEASE, closing.signal);
      stepDown();
      if (entries.size === 0 || extending || clock.monotonicMs() < nextExtensionMs) continue;
      nextExtensionMs = clock.monotonicMs() + leaseMs / 3;
      void extendAll();
    }
    ticking = false;
  }

  return {
    hold(key, takenAtMs) {
      const controller = new AbortController();
      const entry: Entry<Key> = {
        key,
        signal: controller.signal,
        deadlineMs: takenAtMs + leaseMs * STEP_DOWN_PART,
        end() {
          entries.delete(entry);
          controller.abort();
        },
      };
      entries.add(entry);
      if (!ticking) {
        ticking = true;
        void tick();
      }
      return entry;
    },
    held: () => [...entries],
    close() {
      closing.abort();
      for (const entry of entries) entry.end();
    },
  };
}
