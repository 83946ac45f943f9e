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
  /** Ends all of them. */
  close(): void;
}

export interface LeaseKeeperOptions<Key> {
  clock: Clock;
  log: Logger;
  leaseMs: number;
  /** Extends these leases in one statement and resolves with those that were extended. */
  extend: (leases: readonly HeldLease<Key>[]) => Promise<readonly HeldLease<Key>[]>;
}

/** The part of a lease after which its holder steps down by its own clock: before the lease is over. */
const STEP_DOWN_PART = 0.8;
/** One timer looks after all leases this often. */
const TICKS_A_LEASE = 12;

class Entry<Key> implements HeldLease<Key> {
  readonly #ending = new AbortController();

  constructor(
    readonly key: Key,
    public deadlineMs: number,
    private readonly entries: Set<Entry<Key>>,
  ) {
    entries.add(this);
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  end(): void {
    this.entries.delete(this);
    this.#ending.abort();
  }
}

class TimedLeaseKeeper<Key> implements LeaseKeeper<Key> {
  readonly #entries = new Set<Entry<Key>>();
  readonly #closing = new AbortController();
  #ticking = false;
  #extending = false;
  #nextExtensionMs = 0;

  constructor(private readonly options: LeaseKeeperOptions<Key>) {}

  hold(key: Key, takenAtMs: number): HeldLease<Key> {
    const entry = new Entry(key, takenAtMs + this.options.leaseMs * STEP_DOWN_PART, this.#entries);
    if (this.#closing.signal.aborted) entry.end();
    if (!this.#ticking) void this.#tick();
    return entry;
  }

  close(): void {
    this.#closing.abort();
    for (const entry of this.#entries) entry.end();
  }

  async #tick(): Promise<void> {
    const { clock, leaseMs } = this.options;
    this.#ticking = true;
    this.#nextExtensionMs = clock.monotonicMs() + leaseMs / 3;
    while (this.#entries.size > 0) {
      await clock.sleep(leaseMs / TICKS_A_LEASE, this.#closing.signal);
      this.#stepDown();
      if (this.#entries.size === 0 || this.#extending || clock.monotonicMs() < this.#nextExtensionMs) continue;
      this.#nextExtensionMs = clock.monotonicMs() + leaseMs / 3;
      void this.#extendAll();
    }
    this.#ticking = false;
  }

  #stepDown(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const entry of this.#entries) {
      if (entry.deadlineMs > nowMs) continue;
      this.options.log.warn({ lease: entry.key }, "Stepped down: the lease was not extended in time");
      entry.end();
    }
  }

  async #extendAll(): Promise<void> {
    const { clock, log, leaseMs, extend } = this.options;
    const startedAtMs = clock.monotonicMs();
    const asked = [...this.#entries];
    this.#extending = true;
    try {
      const extended = new Set<HeldLease<Key>>(await extend(asked));
      for (const entry of asked) {
        if (extended.has(entry)) entry.deadlineMs = startedAtMs + leaseMs * STEP_DOWN_PART;
      }
      // What was left out is locked by someone just now: ask again at the next tick.
      if (asked.some((entry) => this.#entries.has(entry) && !extended.has(entry))) this.#nextExtensionMs = 0;
    } catch (error) {
      this.#nextExtensionMs = 0;
      log.warn({ error: messageOf(error), leases: asked.length }, "Leases could not be extended");
    } finally {
      this.#extending = false;
    }
  }
}

/**
 * Keeps any number of leases with one timer. At a third of the lease all are extended in one statement. One that was not
 * extended in time is ended here, by the monotonic clock, before the database would give it to someone else; a statement
 * that hangs delays that for none. The timer runs only while something is held.
 */
export function createLeaseKeeper<Key>(options: LeaseKeeperOptions<Key>): LeaseKeeper<Key> {
  return new TimedLeaseKeeper(options);
}
