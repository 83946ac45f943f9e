import { z } from "zod";
import type { Db, Tx } from "#shared/db/db.ts";
import { createSeal } from "#shared/seal/seal.ts";
import type { Push } from "./broker.ts";
import type { Bus, BusEvent, Running, SubscribeOptions, Topic } from "./bus.ts";
import type { LogStore } from "./log-store.ts";

/** A process of its own on the shared log and broker. */
export interface Member {
  bus: Bus;
  /** When set, each of its transactions waits for it before it begins. */
  gate: Promise<void> | undefined;
  /** What becomes of its pushes; undefined: they reach the broker. */
  onPush: ((entries: readonly Push[], pass: (entries: readonly Push[]) => Promise<void>) => Promise<void>) | undefined;
  /** As kill -9 does: from now on it reaches nothing, and gives nothing back. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** What the contract runs on: a log, a broker, a leader, and the faults that may happen to them. */
export interface World {
  readonly db: Db;
  readonly logStore: LogStore;
  join(): Promise<Member>;
  /** Everything that the broker has is gone, as after FLUSHALL. */
  loseStreams(): Promise<void>;
  /** The broker forgets the group, not the streams. */
  loseGroup(group: string, topics: readonly Topic[]): Promise<void>;
  /** Writes an effect in the transaction; a second one of the same group, key and n fails it. */
  note(tx: Tx, effect: Effect): Promise<void>;
  /** The effects of a group in the order of their writing. */
  noted(group: string): Promise<Effect[]>;
  close(): Promise<void>;
}

/** One handled event: the n-th of its key. */
export interface Effect {
  group: string;
  key: string;
  n: number;
}

/** What the entries of these worlds are sealed with. */
export const SEAL = createSeal(new Uint8Array(32).fill(7));

export const LEASE_MS = 1_200;

/** A topic of a test's own. */
export function topicFor(name: string, over: Partial<Topic> = {}): Topic {
  return {
    name: `${name}-${crypto.randomUUID().slice(0, 8)}`,
    class: "durable",
    version: 1,
    key: "key",
    onDead: "block",
    description: "of the contract suite",
    schemas: { counted: z.object({ n: z.number().int() }) },
    ...over,
  };
}

export function countOf(event: BusEvent): number {
  return (event.data as { n: number }).n;
}

/** Publishes counts of a key, each in a transaction of its own. */
export async function publishCounts(world: World, bus: Bus, topic: Topic, key: string, counts: readonly number[]) {
  for (const n of counts) {
    await world.db.transaction(async (tx) => {
      bus.publish(tx, [{ topic, key, type: "counted", data: { n } }]);
      await Promise.resolve();
    });
  }
}

/** Subscribes with a handler that writes one effect an event. */
export function noting(
  world: World,
  bus: Bus,
  group: string,
  topics: readonly Topic[],
  over: Partial<SubscribeOptions> = {},
): Running {
  return bus.subscribe({
    group,
    topics,
    handle: async (tx, events) => {
      for (const event of events) await world.note(tx, { group, key: event.key, n: countOf(event) });
    },
    ...over,
  });
}

/** Counts from first to last. */
export function counts(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The counts of each key in the order of their effects. */
export async function countsByKey(world: World, group: string): Promise<Record<string, number[]>> {
  const byKey: Record<string, number[]> = {};
  for (const { key, n } of await world.noted(group)) {
    byKey[key] ??= [];
    byKey[key].push(n);
  }
  return byKey;
}
