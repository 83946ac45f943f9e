import { expect } from "bun:test";
import { z } from "zod";
import { until } from "#shared/clock/until.fixture.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { createSeal } from "#shared/seal/seal.ts";
import type { Push } from "./broker.ts";
import type { Bus, BusEvent, Running, SubscribeOptions, Topic } from "./bus.ts";
import type { LogStore } from "./log-store.ts";
import type { ParkedEvent } from "./parking.ts";
import type { PoisonOptions } from "./unit-place.ts";

/** A process of its own on the shared log and broker. */
export interface Member {
  bus: Bus;
  /** When set, each of its transactions waits for it before it begins. */
  gate: Promise<void> | undefined;
  /** Its database does not answer when it is asked whether it is there. */
  isMute: boolean;
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
  join(poison?: Partial<PoisonOptions>): Promise<Member>;
  /** Everything that the broker has is gone, as after FLUSHALL. */
  loseStreams(): Promise<void>;
  /** The broker forgets the group, not the streams. */
  loseGroup(group: string, topics: readonly Topic[]): Promise<void>;
  /** Writes an effect in the transaction; a second one of the same group, key and n fails it. */
  note(tx: Tx, effect: Effect): Promise<void>;
  /** The effects of a group in the order of their writing. */
  noted(group: string): Promise<Effect[]>;
  /** A statement of the transaction that runs for longer than any test. */
  runOn(tx: Tx): Promise<void>;
  /** Closes all members that have joined. */
  leave(): Promise<void>;
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

/** Waits for so many effects of a group, and expects these. */
export async function expectCounts(world: World, group: string, expected: Record<string, number[]>): Promise<void> {
  const total = Object.values(expected).flat().length;
  await until(async () => (await world.noted(group)).length >= total);
  expect(await countsByKey(world, group)).toEqual(expected);
}

/** Keys whose events share a partition, and so a batch. */
export function keysOfOnePart(bus: Bus, count: number): string[] {
  const part = bus.partitionOf("k");
  const keys: string[] = [];
  for (let n = 0; keys.length < count; n += 1) if (bus.partitionOf(`key-${n}`) === part) keys.push(`key-${n}`);
  return keys;
}

/** In the order of their numbers: a list goes by the wall clock, which may be set back. */
const bySeq = (events: readonly ParkedEvent[]): ParkedEvent[] => events.toSorted((a, b) => a.seq - b.seq);

/** What is parked or dead of the group that has the topic's name. */
export async function parkedOf(world: World, topic: Topic): Promise<ParkedEvent[]> {
  return bySeq(await world.logStore.parking.list({ group: topic.name }, null, 1_000));
}

/** Waits for so many dead events of the group that has the topic's name. */
export function deadOf(world: World, topic: Topic, count: number): Promise<ParkedEvent[]> {
  return until(async () => {
    const dead = await world.logStore.parking.list({ group: topic.name, state: "dead" }, null, 1_000);
    return dead.length >= count && bySeq(dead);
  });
}

/** A subscription that cannot handle some events. */
export interface Poison {
  running: Running;
  /** What is thrown for them. */
  error: Error;
  /** How often it was thrown. */
  tries: number;
  /** After so many it is thrown no more. */
  mendAfter: number;
  /** From now on this one (`key/n`), or all, can be handled. */
  mend(name?: string): void;
}

/**
 * Subscribes with a handler that writes one effect an event, and throws when it comes to one of these (`key/n`), after it has
 * written some of the batch. `also` is called before the effects.
 */
export function poisoned(
  world: World,
  bus: Bus,
  topic: Topic,
  names: readonly string[],
  also: (tx: Tx, events: readonly BusEvent[]) => void = () => undefined,
  over: Partial<SubscribeOptions> = {},
): Poison {
  const bad = new Set(names);
  const poison: Poison = {
    error: new Error("poison"),
    tries: 0,
    mendAfter: Number.POSITIVE_INFINITY,
    mend: (name) => void (name === undefined ? bad.clear() : bad.delete(name)),
    running: noting(world, bus, topic.name, [topic], {
      ...over,
      handle: async (tx, events) => {
        also(tx, events);
        for (const event of events) {
          const n = countOf(event);
          if (bad.has(`${event.key}/${n}`)) {
            poison.tries += 1;
            if (poison.tries >= poison.mendAfter) bad.clear();
            throw poison.error;
          }
          if (over.concerns?.(event) ?? true) await world.note(tx, { group: topic.name, key: event.key, n });
        }
      },
    }),
  };
  return poison;
}
