import type { Tx } from "#shared/db/db.ts";
import type { Lag } from "./bus.ts";
import type { Parking } from "./parking.ts";

/** One partition of a topic. */
export interface Stream {
  readonly topic: string;
  readonly part: number;
}

/** An event on its way into the log. */
export interface NewEntry {
  key: string;
  type: string;
  version: number;
  /** The envelope as JSON text: what the broker carries too. */
  json: string;
}

/** New events of one partition, in their order. */
export interface NewEntries extends Stream {
  entries: readonly NewEntry[];
}

/** An event as the log or the broker has it. */
export interface StoredEntry {
  seq: number;
  json: string;
}

/** An event as the log has it: with its key, whatever its JSON says. */
export interface LogEntry extends StoredEntry {
  key: string;
}

/** How far a group has come in a topic, in one partition: all up to `seq` is done. */
export interface Position {
  topic: string;
  seq: number;
}

/** What a takeover finds. */
export interface TakenPosition extends Position {
  /** Up to here events are handled one by one: the handler of one among them has not ended in time. */
  careful: number;
}

/** One step of a group's position, from where it has to stand to where it goes. */
export interface Advance {
  topic: string;
  before: number;
  after: number;
}

/** A unit under an epoch: what a position belongs to. */
export interface UnitEpoch {
  group: string;
  part: number;
  epoch: number;
}

/**
 * The log: the only truth about durable topics. Numbers are dense in a partition and equal commit order.
 *
 * `append` and `advance` send their statement when they are called and need not be awaited inside the transaction: a
 * failure fails the transaction in any case. Both hold row locks to its end.
 */
export interface LogStore {
  /** What groups have passed without its effect. */
  readonly parking: Parking;
  /** Adds events; resolves with the number of the first one of each element. Give the partitions in sorted order. */
  append(tx: Tx, batch: readonly NewEntries[]): Promise<readonly number[]>;
  /** The first `limit` events after `afterSeq`, in order, without a hole. */
  read(stream: Stream, afterSeq: number, limit: number): Promise<LogEntry[]>;
  /** The number of the newest event by topic and partition (`streamKey`); those without an event are left out. */
  heads(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Writes the epoch into the unit's positions, made at 0 where missing; waits for the old owner's commit. */
  take(tx: Tx, unit: UnitEpoch, topics: readonly string[]): Promise<TakenPosition[]>;
  /** Has the events up to a number handled one by one from the next takeover on. Nothing when the epoch is another one. */
  beCareful(unit: UnitEpoch, until: readonly Position[]): Promise<void>;
  /** Moves positions on. FENCED when the epoch is another one or a position is not where it should be. */
  advance(tx: Tx, unit: UnitEpoch, steps: readonly Advance[]): Promise<void>;
  /**
   * `advance` in a transaction of its own that does not wait for the disk: a crash of the server may undo it. Only for events
   * that change nothing.
   */
  pass(unit: UnitEpoch, steps: readonly Advance[]): Promise<void>;
  /** Where a group stands by topic and partition (`streamKey`), whatever the epoch. */
  standing(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** How far each group is behind, by topic and partition. */
  lag(): Promise<Lag[]>;
  /** Where the unit stands; undefined when it has another epoch by now. */
  positions(unit: UnitEpoch, topics: readonly string[]): Promise<Position[] | undefined>;
  /** The smallest position of any group by topic and partition (`streamKey`). */
  slowest(): Promise<ReadonlyMap<string, number>>;
  /** Announces a member. Gives all members of the group that have announced themselves within their lease. */
  beat(group: string, member: string, leaseMs: number): Promise<string[]>;
  /** The member is gone from now on. */
  leave(group: string, member: string): Promise<void>;
  /** The time line of this log: changes when the database is restored from a backup. */
  incarnation(): Promise<string>;
}

/** The key of a partition in the maps of this port. */
export function streamKey({ topic, part }: Stream): string {
  return `${topic}:${part}`;
}
