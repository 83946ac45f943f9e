import type { Tx } from "#shared/db/db.ts";

/** A role that is held. */
export interface Leadership {
  readonly role: string;
  readonly epoch: number;
  /** Aborts when the role is given up or lost; after it nothing may be written for the role. */
  readonly signal: AbortSignal;
  /** Gives the role up at once (lease_until = now). */
  release(): Promise<void>;
}

/**
 * Decides who leads a role of which there may be only one leader. The lock decides who tries; the rows decide who is:
 * `leadership.leases` by the Postgres clock, `leadership.epochs` as the fence. A role that was free for a whole lease is
 * tried for without the lock. Leases are extended at a third of their time, and given up before their end by the process'
 * own clock.
 */
export interface Leader {
  /** Tries once. Null: someone else holds it. `onTaken` runs in the takeover's transaction, after the epoch has grown. */
  tryLead(role: string, onTaken?: (tx: Tx, epoch: number) => Promise<void>): Promise<Leadership | null>;
  /** Locks the epoch row FOR SHARE and throws FENCED unless it still is `epoch`. First statement of each write of the leader. */
  fence(tx: Tx, role: string, epoch: number): Promise<void>;
  /** Leads again and again until the signal aborts: `run` is called with each leadership and ends when its signal aborts. */
  lead(role: string, signal: AbortSignal, run: (leadership: Leadership) => Promise<void>): Promise<void>;
  /** Roles that this process tries for and that nobody has led for three leases. */
  unled(): readonly string[];
  readonly leaseMs: number;
  close(): Promise<void>;
}

/** The adapter's port: an advisory lock that keeps many from trying at once. Losing it ends nothing, and it may lie. */
export interface AdvisoryLock {
  /** True when it is ours for `ttlMs`, or when the lock service is away (then the rows alone decide). */
  acquire(name: string, ttlMs: number): Promise<boolean>;
  /** For who leads by the rows: takes the lock from whoever else has it. */
  extend(name: string, ttlMs: number): Promise<void>;
  release(name: string): Promise<void>;
  close(): Promise<void>;
}
