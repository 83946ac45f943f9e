import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { createBatcher } from "./batcher.ts";
import { leadAgainAndAgain } from "./lead-again.ts";
import type { AdvisoryLock, Leader, Leadership } from "./leader.ts";
import { endLeases, extendLeases, fenceEpoch, freeRoles, takeOver } from "./leadership-rows.ts";
import { createLeaseKeeper, type HeldLease } from "./lease-keeper.ts";

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

/** Roles over the rows of Postgres, with an advisory lock that decides who tries. See leader.ts. */
export function createLeader(options: LeaderOptions): Leader {
  const { db, lock, clock, log } = options;
  const leaseMs = options.leaseMs ?? 4_000;
  const holder = options.holder ?? crypto.randomUUID();
  const retryMs = options.retryMs ?? 250;
  const closing = new AbortController();
  const busy = new Set<string>();
  const held = new Map<string, HeldLease<string>>();
  const keeper = createLeaseKeeper<string>({ clock, log, leaseMs, extend });
  // Many roles tried for in one tick cost one read; only those that are free cost a lock and a transaction.
  const isFree = createBatcher((roles: readonly string[]) => freeRoles(db.sql, holder, roles));

  async function extend(leases: readonly HeldLease<string>[]): Promise<HeldLease<string>[]> {
    const extended = await extendLeases(
      db,
      holder,
      leaseMs,
      leases.map(({ key }) => key),
    );
    const kept = leases.filter(({ key }) => extended.has(key));
    // Not waited for: the lock ends nothing, and a lock service that hangs must not delay the leases.
    for (const { key } of kept) void lock.extend(key, leaseMs).catch(() => undefined);
    return kept;
  }

  const isHeld = (role: string, lease = held.get(role)): boolean =>
    lease !== undefined && held.get(role) === lease && !lease.signal.aborted;

  async function release(role: string, lease: HeldLease<string>): Promise<void> {
    const mine = isHeld(role, lease);
    lease.end();
    // Lost before, and perhaps taken again since: nothing of it is left to give up.
    if (!mine) return;
    busy.add(role);
    held.delete(role);
    try {
      await Promise.all([endLeases(db, holder, [role]), lock.release(role)]);
      log.info({ role }, "Gave a role up");
    } catch (error) {
      log.warn({ role, error: messageOf(error) }, "A role could not be given up; its lease runs out");
    } finally {
      busy.delete(role);
    }
  }

  async function take(role: string, onTaken?: OnTaken): Promise<Leadership | null> {
    const startedAtMs = clock.monotonicMs();
    const epoch = await db.transaction(async (tx) => {
      const taken = await takeOver(tx, role, { holder, leaseMs });
      if (taken !== undefined) await onTaken?.(tx, taken);
      return taken;
    });
    if (epoch === undefined) return null;
    const lease = keeper.hold(role, startedAtMs);
    held.set(role, lease);
    log.info({ role, epoch }, "Leads a role");
    return { role, epoch, signal: lease.signal, release: () => release(role, lease) };
  }

  async function tryLead(role: string, onTaken?: OnTaken): Promise<Leadership | null> {
    if (closing.signal.aborted || busy.has(role) || isHeld(role)) return null;
    busy.add(role);
    try {
      if (!(await isFree(role))) return null;
      if (!(await lock.acquire(role, leaseMs))) return null;
      const leadership = await take(role, onTaken).catch(async (error: unknown) => {
        await lock.release(role);
        throw error;
      });
      if (leadership === null) await lock.release(role);
      return leadership;
    } finally {
      busy.delete(role);
    }
  }

  return {
    leaseMs,
    tryLead,
    fence: fenceEpoch,
    lead: (role, signal, run) =>
      leadAgainAndAgain({ tryLead, clock, log, retryMs }, role, AbortSignal.any([signal, closing.signal]), run),
    async close() {
      closing.abort();
      const roles = [...held.keys()].filter((role) => isHeld(role));
      held.clear();
      keeper.close();
      if (roles.length > 0) await endLeases(db, holder, roles).catch(() => undefined);
      await lock.close();
    },
  };
}
