import type { Logger } from "pino";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Leader, Leadership } from "#shared/leader/leader.ts";
import { createFailureRow } from "#shared/telemetry/failure-row.ts";
import type { Allotment } from "./allotment.ts";
import type { OwnedUnit } from "./bus.ts";
import { isCountedOn } from "./pause.ts";

export interface OwnershipOptions {
  group: string;
  /** Unique among all members of the group. */
  member: string;
  /** Units are numbered from 0. */
  units: number;
  allotment: Allotment;
  leader: Leader;
  clock: Clock;
  log: Logger;
  /** Runs in the takeover's transaction. */
  onTaken: (tx: Tx, partition: number, epoch: number) => Promise<void>;
  /**
   * Called for each unit that becomes this member's. It has to end soon after the unit's signal aborts: only then the unit
   * is given to the next owner. When it ends by itself or throws, the unit is given up and tried for again later.
   */
  run: (unit: OwnedUnit) => Promise<void>;
  /** How often the member looks which units it should have. Default 250 ms. */
  pulseMs?: number;
}

/** Before a unit is tried for again that was given up. */
const GIVEN_UP: Backoff = { firstMs: 200, longestMs: 5_000 };

interface Held {
  giveUp: AbortController;
  /** Whose the unit should be, when not ours, and since when. */
  away: { target: string; sinceMs: number } | undefined;
  ended: Promise<void>;
}

/**
 * Holds the units of a group that the allotment names this member for, through the leader port as role `unit:<group>:<n>`.
 * A unit moves to a new target only after the target has stood for as long as the allotment wants, and at once when its owner leaves.
 */
export class Ownership {
  private readonly held = new Map<number, Held>();
  /** Takeovers under way, by unit. One may wait for a row that a frozen owner holds. */
  private readonly trying = new Map<number, Promise<void>>();
  private readonly failures = new Map<number, { count: number; notBeforeMs: number }>();
  private readonly stopping = new AbortController();
  private readonly triedOnce = Promise.withResolvers<void>();
  private loop: Promise<void> | undefined;

  constructor(private readonly options: OwnershipOptions) {}

  /** Resolves when each unit was tried for once that should be this member's. */
  get ready(): Promise<void> {
    return this.triedOnce.promise;
  }

  start(): void {
    this.loop ??= this.pulse();
  }

  /**
   * Leaves the group: says so first, so that the others stand by, then gives the units up as their work ends. What a
   * takeover under way still wins is given back.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    const { group, member, allotment, log } = this.options;
    await allotment.leave().catch((error: unknown) => {
      log.warn({ group, member, error: messageOf(error) }, "Leaving a group was not announced");
    });
    const all = [...this.held.values()];
    for (const { giveUp } of all) giveUp.abort();
    await Promise.all([...this.trying.values(), ...all.map(({ ended }) => ended)]);
    this.triedOnce.resolve();
  }

  /** Announces and looks, and waits for no takeover: a member that waits must not count as gone. */
  private async pulse(): Promise<void> {
    const { group, allotment, clock, log, pulseMs = 250 } = this.options;
    const { signal } = this.stopping;
    const failures = createFailureRow();
    while (!signal.aborted) {
      try {
        const tries = this.share(await allotment.look());
        void Promise.all(tries).then(() => this.triedOnce.resolve());
        failures.clear();
      } catch (error) {
        const fields = { group, error: messageOf(error), failures: failures.count + 1 };
        if (failures.note(messageOf(error)))
          log.warn(fields, "The members of a group cannot be read; units stay as they are");
      }
      await clock.sleep(pulseMs, signal);
    }
  }

  /** Lets go of what others should have, and begins to try for what should be ours. */
  private share(targetOf: (unit: number) => string): Promise<void>[] {
    const { member, units, allotment, clock } = this.options;
    const nowMs = clock.monotonicMs();
    const tries: Promise<void>[] = [];
    for (let partition = 0; partition < units; partition += 1) {
      const target = targetOf(partition);
      const held = this.held.get(partition);
      if (held === undefined) {
        if (target === member && nowMs >= (this.failures.get(partition)?.notBeforeMs ?? 0)) {
          tries.push(this.trying.get(partition) ?? this.beginTry(partition));
        }
      } else if (target === member) {
        held.away = undefined;
      } else if (held.away?.target !== target) {
        held.away = { target, sinceMs: nowMs };
      } else if (nowMs - held.away.sinceMs >= allotment.steadyMs) {
        held.giveUp.abort();
      }
    }
    return tries;
  }

  private beginTry(partition: number): Promise<void> {
    const ended = this.tryFor(partition).finally(() => this.trying.delete(partition));
    this.trying.set(partition, ended);
    return ended;
  }

  private async tryFor(partition: number): Promise<void> {
    const { group, leader, log } = this.options;
    const role = `unit:${group}:${partition}`;
    try {
      const leadership = await leader.tryLead(role, (tx, epoch) => this.options.onTaken(tx, partition, epoch));
      if (leadership === null) return;
      if (this.stopping.signal.aborted) await leadership.release();
      else this.hold(partition, leadership);
    } catch (error) {
      log.warn({ role, error: messageOf(error) }, "A unit could not be taken; it is tried again");
    }
  }

  private hold(partition: number, leadership: Leadership): void {
    const giveUp = new AbortController();
    const held: Held = { giveUp, away: undefined, ended: Promise.resolve() };
    this.held.set(partition, held);
    held.ended = this.own(partition, leadership, AbortSignal.any([giveUp.signal, leadership.signal]));
  }

  private async own(partition: number, leadership: Leadership, signal: AbortSignal): Promise<void> {
    const { group, log, clock } = this.options;
    const { role, epoch } = leadership;
    log.info({ group, partition, epoch }, "Owns a unit");
    try {
      await this.options.run({ group, partition, role, epoch, signal });
      this.failures.delete(partition);
    } catch (error) {
      const count = (this.failures.get(partition)?.count ?? 0) + 1;
      this.failures.set(partition, { count, notBeforeMs: clock.monotonicMs() + backoffMs(GIVEN_UP, count) });
      const fields = { group, partition, epoch, err: error };
      if (isCountedOn(error)) log.warn(fields, "A unit is given up after a failure");
      else log.error(fields, "A unit is given up after a failure");
    }
    await leadership.release().catch((error: unknown) => {
      log.warn({ role, error: messageOf(error) }, "A unit's lease could not be given back; it runs out by itself");
    });
    this.held.delete(partition);
    log.info({ group, partition, epoch }, "Owns a unit no more");
  }
}
