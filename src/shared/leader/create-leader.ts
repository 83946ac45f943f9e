import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { createBatcher } from "./batcher.ts";
import { FreeRoles } from "./free-roles.ts";
import { leadAgainAndAgain } from "./lead-again.ts";
import type { AdvisoryLock, Leader, Leadership } from "./leader.ts";
import { endLeases, extendLeases, fenceEpoch, freeRoles, takeOver } from "./leadership-rows.ts";
import { createLeaseKeeper, type HeldLease, type LeaseKeeper } from "./lease-keeper.ts";

export interface LeaderOptions {
  db: Db;
  lock: AdvisoryLock;
  clock: Clock;
  log: Logger;
  /** How long a role outlives its holder. Default 4,000 ms. */
  leaseMs?: number;
  /** Random for each start of a process. */
  holder?: string;
  /** How often `lead` tries. Default 250 ms. */
  retryMs?: number;
}

type OnTaken = (tx: Tx, epoch: number) => Promise<void>;

class RowLeader implements Leader {
  readonly leaseMs: number;
  readonly fence = fenceEpoch;
  readonly #holder: string;
  readonly #closing = new AbortController();
  /** Roles that are being taken or given up in this moment. */
  readonly #busy = new Set<string>();
  readonly #held = new Map<string, HeldLease<string>>();
  readonly #free: FreeRoles;
  readonly #keeper: LeaseKeeper<string>;
  /** Many roles tried for in one tick cost one read; only those that are free cost a lock and a transaction. */
  readonly #isFree: (role: string) => Promise<boolean>;

  constructor(private readonly options: LeaderOptions) {
    const { db, clock, log } = options;
    this.leaseMs = options.leaseMs ?? 4_000;
    this.#holder = options.holder ?? crypto.randomUUID();
    this.#free = new FreeRoles(() => clock.monotonicMs(), this.leaseMs);
    this.#keeper = createLeaseKeeper({ clock, log, leaseMs: this.leaseMs, extend: (leases) => this.#extend(leases) });
    this.#isFree = createBatcher((roles) => freeRoles(db.sql, this.#holder, roles));
  }

  async tryLead(role: string, onTaken?: OnTaken): Promise<Leadership | null> {
    const { lock } = this.options;
    if (this.#closing.signal.aborted || this.#busy.has(role) || this.#isHeld(role)) return null;
    this.#busy.add(role);
    try {
      if (!(await this.#isFree(role))) {
        this.#free.led(role);
        return null;
      }
      this.#free.found(role);
      if (!(await lock.acquire(role, this.leaseMs)) && !this.#free.isLong(role)) return null;
      const leadership = await this.#take(role, onTaken).catch(async (error: unknown) => {
        await lock.release(role);
        throw error;
      });
      if (leadership === null) await lock.release(role);
      return leadership;
    } finally {
      this.#busy.delete(role);
    }
  }

  lead(role: string, signal: AbortSignal, run: (leadership: Leadership) => Promise<void>): Promise<void> {
    const { clock, log, retryMs = 250 } = this.options;
    const until = AbortSignal.any([signal, this.#closing.signal]);
    return leadAgainAndAgain({ leader: this, clock, log, retryMs }, role, until, run);
  }

  unled(): readonly string[] {
    return this.#free.unled();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const roles = [...this.#held.keys()].filter((role) => this.#isHeld(role));
    this.#held.clear();
    this.#keeper.close();
    // What cannot be given up now runs out by itself.
    if (roles.length > 0) await endLeases(this.options.db, this.#holder, roles).catch(() => undefined);
    await this.options.lock.close();
  }

  async #take(role: string, onTaken?: OnTaken): Promise<Leadership | null> {
    const startedAtMs = this.options.clock.monotonicMs();
    const take = async (tx: Tx): Promise<number | undefined> => {
      const taken = await takeOver(tx, role, { holder: this.#holder, leaseMs: this.leaseMs });
      if (taken !== undefined) await onTaken?.(tx, taken);
      return taken;
    };
    const epoch = await this.options.db.transaction(take, { urgent: true });
    if (epoch === undefined) return null;
    this.#free.led(role);
    const lease = this.#keeper.hold(role, startedAtMs);
    this.#held.set(role, lease);
    this.options.log.info({ role, epoch }, "Leads a role");
    return { role, epoch, signal: lease.signal, release: () => this.#release(role, lease) };
  }

  #isHeld(role: string): boolean {
    return this.#held.get(role)?.signal.aborted === false;
  }

  async #release(role: string, lease: HeldLease<string>): Promise<void> {
    const mine = this.#held.get(role) === lease && !lease.signal.aborted;
    lease.end();
    // Lost before, and perhaps taken again since: nothing of it is left to give up.
    if (!mine) return;
    this.#busy.add(role);
    this.#held.delete(role);
    try {
      await Promise.all([endLeases(this.options.db, this.#holder, [role]), this.options.lock.release(role)]);
      this.options.log.info({ role }, "Gave a role up");
    } catch (error) {
      this.options.log.warn({ role, error: messageOf(error) }, "A role could not be given up; its lease runs out");
    } finally {
      this.#busy.delete(role);
    }
  }

  async #extend(leases: readonly HeldLease<string>[]): Promise<HeldLease<string>[]> {
    const { db, lock } = this.options;
    const roles = leases.map(({ key }) => key);
    const extended = await extendLeases(db, this.#holder, this.leaseMs, roles);
    const kept = leases.filter(({ key }) => extended.has(key));
    // Not waited for: the lock ends nothing, and a lock service that hangs must not delay the leases.
    for (const { key } of kept) void lock.extend(key, this.leaseMs).catch(() => undefined);
    return kept;
  }
}

/** Roles over the rows of Postgres, with an advisory lock that decides who tries. See leader.ts. */
export function createLeader(options: LeaderOptions): Leader {
  return new RowLeader(options);
}
