import type { z } from "zod";
import type { Tx } from "#shared/db/db.ts";
import type { Parking } from "./parking.ts";

/** What a topic promises. durable: a row in the log, exactly-once effects. volatile: the broker alone, numbered by its content. */
export type TopicClass = "durable" | "volatile";

/** A topic's contract. `schemas` has one zod schema a type; a change that readers cannot take is a new `version`. */
export interface Topic<Schemas extends Record<string, z.ZodType> = Record<string, z.ZodType>> {
  readonly name: string;
  readonly class: TopicClass;
  readonly version: number;
  readonly schemas: Schemas;
  /** What the key of an event is, for readers: "sessionId", "instrumentId". */
  readonly key: string;
  /** What becomes of the later events of a key when one of its events is dead: they wait for a person, or go on without it. */
  readonly onDead: "block" | "skip";
  /** For volatile topics: about how many entries a partition keeps. */
  readonly maxLength?: number;
  readonly description: string;
}

/** An event on its way out. The bus adds id, time, seq, source and trace. */
export interface OutgoingEvent<T extends Topic = Topic> {
  topic: T;
  key: string;
  type: string;
  data: unknown;
  correlationId?: string;
  causationId?: string;
}

/** A received event: CloudEvents attributes and where it stood. `seq` is dense in a partition of a durable topic, 0 in a volatile one. */
export interface BusEvent<Data = unknown, Type extends string = string, From extends string = string> {
  id: string;
  source: string;
  type: Type;
  topic: From;
  partition: number;
  seq: number;
  key: string;
  /** Wall clock of the publisher, UTC epoch milliseconds. */
  timeMs: number;
  version: number;
  data: Data;
  traceparent?: string;
  correlationId?: string;
  causationId?: string;
}

/** The events of a topic, each type with its data: `type`, and where there are several topics `topic`, tell them apart. */
export type EventOf<T extends Topic> =
  T extends Topic<infer Schemas>
    ? { [Type in keyof Schemas & string]: BusEvent<z.infer<Schemas[Type]>, Type, T["name"]> }[keyof Schemas & string]
    : never;

/** Those of some topics that are durable, and those that are volatile. */
type Durable<T extends Topic> = T extends { class: "volatile" } ? never : T;
type Volatile<T extends Topic> = T extends { class: "durable" } ? never : T;

/** A unit that a member of a group owns: partition `partition` of all topics of the subscription. */
export interface OwnedUnit {
  group: string;
  partition: number;
  /** The role in the leadership tables, `unit:<group>:<partition>`. */
  role: string;
  epoch: number;
  /** Aborts when the unit is given up or lost. */
  signal: AbortSignal;
}

export interface SubscribeOptions<T extends Topic = Topic> {
  group: string;
  topics: readonly T[];
  /**
   * Durable topics: all events of the batch, in order of their seq within a topic, in one transaction with the group's
   * position and the epoch's fence; what it throws rolls the batch back. Events of one key come in order and exactly once in effect.
   * An outage is waited for; else the batch is halved until the event is found that fails alone: it is parked, and with it the
   * later ones of its key, to be tried again. A permanent error makes it dead at once.
   */
  handle?(tx: Tx, events: readonly EventOf<Durable<T>>[], unit: OwnedUnit): Promise<void>;
  /**
   * Which durable events the handler does something with. A batch without one is not handed over, and the position passes
   * it, up to 50 ms later, in a statement that does not wait for the disk: a crash of the server or of the owner brings such
   * events again. Default: all.
   */
  concerns?(event: EventOf<Durable<T>>): boolean;
  /**
   * How long the first durable event that waits is left to find company, in milliseconds. Default 0: a batch is what is
   * there. For a group that keeps books: an order's events, milliseconds apart, are then one commit, off the order's path.
   */
  lingerMs?: number;
  /** Volatile topics: at least once, in the broker's order, acknowledged when it resolves. */
  handleVolatile?(events: readonly EventOf<Volatile<T>>[], unit: OwnedUnit): Promise<void>;
  /** The unit is this member's; called before its first event. What it throws gives the unit up. */
  onAcquired?: (unit: OwnedUnit) => Promise<void>;
  /** The unit is no longer this member's (already lost, or about to be handed over once this resolves). */
  onReleased?: (unit: OwnedUnit) => Promise<void>;
}

export interface OwnOptions {
  group: string;
  /** The unit is this member's. What it throws gives the unit up. */
  onAcquired(unit: OwnedUnit): Promise<void>;
  /** The unit is no longer this member's (already lost, or about to be handed over once this resolves). */
  onReleased(unit: OwnedUnit): Promise<void>;
}

/** How far a group is behind in a partition of a durable topic. */
export interface Lag {
  group: string;
  topic: string;
  partition: number;
  /** Events that were published and not handled yet. */
  events: number;
}

export interface TailOptions<T extends Topic = Topic> {
  topic: T;
  /** Only events of these keys, read at each event; undefined: all. */
  keys?: () => ReadonlySet<string>;
  /** "now": what comes from here on. "start": durable topics from the first event of the log. */
  from: "now" | "start";
  handle(events: readonly EventOf<T>[]): Promise<void> | void;
}

/** Something that runs until it is closed. `close` waits for what is in flight. */
export interface Running {
  /** Resolves when it reads for the first time. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** What services see of the bus. */
export interface Bus {
  /** Durable topics: buffered in the transaction, written last in it, pushed to the broker after the commit. */
  publish(tx: Tx, events: readonly OutgoingEvent[]): void;
  /** Volatile topics: to the broker, batched. Resolves when the broker has them; a broker that is away is an AppError (outage). */
  publishVolatile(events: readonly OutgoingEvent[]): Promise<void>;
  /** Reads as a member of a group: each partition has one owner among the members. */
  subscribe<T extends Topic>(options: SubscribeOptions<T>): Running;
  /** Owns units as a member of a group, and reads nothing: each partition has one owner among the members. */
  own(options: OwnOptions): Running;
  /** How far each group is behind that has ever read, by topic and partition; 0: it has all. */
  lag(): Promise<Lag[]>;
  /** Everyone who asks gets everything. */
  tail<T extends Topic>(options: TailOptions<T>): Running;
  /** The partition of a key, the same for every topic (murmur2 of the key, as Kafka's Java client does). */
  partitionOf(key: string): number;
  readonly partitions: number;
  /** The events that groups have passed without their effect, for a person. */
  readonly parking: Pick<Parking, "list" | "find" | "redrive" | "discard" | "hasDead">;
  /** Throws an AppError (outage) when the broker does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
