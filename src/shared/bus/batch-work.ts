import { isOverdue } from "#shared/db/transact-within.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import { verdictOf } from "#shared/errors/verdict.ts";
import type { BatchItem } from "./batch-item.ts";
import type { BusEvent } from "./bus.ts";
import { answers, withinDeadline } from "./handler-deadline.ts";
import type { Advance } from "./log-store.ts";
import type { NewParked } from "./parking.ts";
import { parkedPauseMs, QUICK_TRIES, quickPauseMs } from "./retry-pauses.ts";
import { concerns, tellFailed, tellNotNoted, type UnitPlace, unitEpochOf } from "./unit-place.ts";

/** The log store is told what a unit passes at once, and then no more often. */
const PASS_EVERY_MS = 50;

/** What becomes of a batch's items. */
interface Split {
  events: BusEvent[];
  /** They wait behind a parked one of their key. */
  behind: BatchItem[];
  undecodable: BatchItem[];
}

/**
 * Commits batches. A batch that fails is halved, each half in a transaction of its own, until the event is found that fails
 * alone: it is parked in the transaction that moves the position past it. So the hooks and events of what failed are undone
 * with it, and a batch without a bad event knows nothing of this.
 */
export class BatchWork {
  #nextPassAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly place: UnitPlace) {}

  /** When the log store has to be told what was passed. Infinity: it knows all. */
  get passDueAtMs(): number {
    return this.place.positions.unstored().length === 0 ? Number.POSITIVE_INFINITY : this.#nextPassAtMs;
  }

  /** Tells the log store what was passed, where that is due. */
  async storePassed(): Promise<void> {
    const { logStore, positions, clock } = this.place;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.passDueAtMs) return;
    this.#nextPassAtMs = nowMs + PASS_EVERY_MS;
    const steps = positions.unstored();
    await logStore.pass(unitEpochOf(this.place), steps);
    positions.moved(steps);
  }

  /** Commits the items, or parks those that fail. Throws what no event is to blame for. */
  async commit(items: readonly BatchItem[]): Promise<void> {
    const { clock, unit } = this.place;
    for (let tries = 1; ; tries += 1) {
      try {
        await this.attempt(items);
        return;
      } catch (error) {
        if (isOverdue(error)) {
          await this.overdue(items, error).catch((failure: unknown) => tellNotNoted(this.place, failure));
          throw error;
        }
        const verdict = verdictOf(error);
        if (verdict === "unit" || unit.signal.aborted) throw error;
        if (verdict === "again" && tries < QUICK_TRIES) {
          this.place.log.info(
            { group: unit.group, partition: unit.partition, tries, err: error },
            "Events fail, again",
          );
          await clock.sleep(quickPauseMs(tries, Math.random()), unit.signal);
          continue;
        }
        const [only, ...others] = items;
        if (only === undefined) throw error;
        if (others.length === 0) await this.park(only, error);
        else await this.halve(items);
        return;
      }
    }
  }

  private async halve(items: readonly BatchItem[]): Promise<void> {
    const middle = Math.ceil(items.length / 2);
    await this.commit(items.slice(0, middle));
    await this.commit(items.slice(middle));
  }

  /** The unit is given up; the next owner looks at the events one by one, and one that was alone is parked. */
  private async overdue(items: readonly BatchItem[], error: unknown): Promise<void> {
    const [only, ...others] = items;
    if (only === undefined || !(await answers(this.place))) return;
    if (others.length === 0) return this.park(only, error);
    const until = this.stepsOf(items).map(({ topic, after }) => ({ topic, seq: after }));
    await this.place.logStore.beCareful(unitEpochOf(this.place), until);
  }

  private async attempt(items: readonly BatchItem[]): Promise<void> {
    const { logStore, subscription, unit } = this.place;
    const { events, behind, undecodable } = this.split(items);
    const isHandled = events.some((event) => concerns(this.place, event));
    const steps = this.stepsOf(items);
    if (!isHandled && behind.length === 0 && undecodable.length === 0) {
      this.place.positions.pass(steps);
      return;
    }
    await withinDeadline(this.place, async (tx) => {
      // First in the transaction: fences, deduplicates and locks. Not awaited: its failure is the transaction's.
      logStore.advance(tx, unitEpochOf(this.place), steps).catch(() => undefined);
      const parked = [...behind.map(waiting), ...undecodable.map(deadOnArrival)].toSorted((a, b) => a.seq - b.seq);
      if (parked.length > 0) logStore.parking.park(tx, unitEpochOf(this.place), parked).catch(() => undefined);
      if (isHandled) await subscription.handle?.(tx, events, unit);
      for (const item of undecodable) await tellFailed(this.place, tx, { ...item, tries: 1, isDead: true });
    });
    for (const item of undecodable) this.holdDead(item);
    this.place.positions.moved(steps);
  }

  /** Moves the position past an event that failed alone, and parks it with that. */
  private async park(item: BatchItem, error: unknown): Promise<void> {
    const { db, logStore, clock, lanes, poison } = this.place;
    const isDead = verdictOf(error) === "dead" || poison.deadAfterTries <= 1;
    const delayMs = parkedPauseMs(1, Math.random());
    const { topic, seq, key, json } = item;
    const state = isDead ? "dead" : "parked";
    const steps = this.stepsOf([item]);
    await db.transaction(async (tx) => {
      logStore.advance(tx, unitEpochOf(this.place), steps).catch(() => undefined);
      const parked = {
        topic: topic.name,
        seq,
        key,
        json,
        state,
        tries: 1,
        error: storableText(error),
        delayMs,
      } as const;
      logStore.parking.park(tx, unitEpochOf(this.place), [parked]).catch(() => undefined);
      await tellFailed(this.place, tx, { topic, seq, key, tries: 1, isDead, error });
    });
    if (isDead) this.holdDead(item);
    else lanes.hold({ topic: topic.name, key }, clock.monotonicMs() + delayMs);
    this.place.positions.moved(steps);
  }

  /** A dead event holds its key where its topic says so; a lane that is known already is tried up to it. */
  private holdDead({ topic, key }: BatchItem): void {
    const lane = { topic: topic.name, key };
    if (topic.onDead === "block" && !this.place.lanes.holds(lane)) {
      this.place.lanes.hold(lane, Number.POSITIVE_INFINITY);
    }
  }

  private split(items: readonly BatchItem[]): Split {
    const { lanes } = this.place;
    const found: Split = { events: [], behind: [], undecodable: [] };
    /** Keys that an undecodable event of this very batch holds. */
    const held = new Set<string>();
    for (const item of items) {
      const { topic, key, event } = item;
      const name = `${topic.name}\n${key}`;
      if (event === null) {
        found.undecodable.push(item);
        if (topic.onDead === "block") held.add(name);
      } else if (!held.has(name) && !lanes.holds({ topic: topic.name, key })) found.events.push(event);
      else if (concerns(this.place, event)) found.behind.push(item);
    }
    return found;
  }

  private stepsOf(items: readonly BatchItem[]): Advance[] {
    const lasts = new Map(items.map(({ topic, seq }) => [topic.name, seq]));
    return [...lasts].map(([topic, after]) => this.place.positions.stepTo(topic, after));
  }
}

function waiting({ topic, seq, key, json }: BatchItem): NewParked {
  return { topic: topic.name, seq, key, json, state: "parked", tries: 0, error: null, delayMs: 0 };
}

function deadOnArrival({ topic, seq, key, json, error }: BatchItem): NewParked {
  return { topic: topic.name, seq, key, json, state: "dead", tries: 1, error: storableText(error), delayMs: 0 };
}
