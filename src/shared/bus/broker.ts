import type { Allotment } from "./allotment.ts";
import type { Stream } from "./log-store.ts";

/**
 * Where an entry stands in its stream by the broker's own count: an id of Redis, an offset of Kafka. The broker's adapter alone makes,
 * reads and compares it; everyone else hands back what was delivered.
 */
export type BrokerPosition = string & { readonly brand: "BrokerPosition" };

/** A durable event: its number in the log is its number here. */
export interface Push extends Stream {
  seq: number;
  json: string;
}

export interface VolatilePush extends Stream {
  json: string;
  /** About how many entries the stream keeps. A broker that keeps by age need not count. */
  maxLength: number;
}

/** An entry that came. `seq` is 0 in a volatile stream. */
export interface Delivery extends Stream {
  position: BrokerPosition;
  seq: number;
  json: string;
}

/** A stream that a reader of a group is to read. */
export interface Assignment extends Stream {
  durable: boolean;
  /** Another epoch means: taken over, the deliveries of earlier owners are void. */
  epoch: number;
  /**
   * The number of the last event that the group has done, asked for whenever the broker has to be told: it delivers what
   * comes behind it. A broker that finds no entry by its number goes on behind what was acknowledged. 0 for volatile streams.
   */
  doneSeq: () => number;
}

/** Reads streams as one member of a group. One `read` at a time. */
export interface GroupReader {
  /** What is read from now on. Ends a waiting `read` early. */
  assign(streams: readonly Assignment[]): void;
  /**
   * Waits for entries, at most about a second; gives at most `count` of each stream. Empty: nothing came, or the streams have
   * changed. Entries may come twice, in any order, or never. Throws an AppError (outage) when the broker is away; the next call
   * tries again.
   */
  read(count: number): Promise<Delivery[]>;
  /**
   * Tells the broker that all it has delivered of a stream up to this position is done with: it comes to no later owner. Best
   * effort: a durable event that is told too late is skipped by its number, and one that is told too early is read from the log.
   */
  acknowledge(stream: Stream, upTo: BrokerPosition): void;
  close(): Promise<void>;
}

/** Reads streams for one reader alone. */
export interface TailReader {
  /** As GroupReader.read. */
  read(count: number): Promise<Delivery[]>;
  close(): Promise<void>;
}

/**
 * Carries events fast, and is trusted with nothing: it may lose, repeat and reorder. Failures are AppErrors of kind outage
 * (BROKER_UNAVAILABLE).
 */
export interface Broker {
  /** Adds durable events under their numbers. What is there already may be left out, or delivered again; neither is an error. */
  push(entries: readonly Push[]): Promise<void>;
  pushVolatile(entries: readonly VolatilePush[]): Promise<void>;
  groupReader(group: string, member: string): GroupReader;
  /** Only where the broker's own protocol shares out the units of a group. Without it they are shared by rendezvous hashing. */
  allotment?(group: string, member: string): Allotment;
  /** Reads from the end of each stream on; all are of one class. Resolves once nothing that comes from now on is missed. */
  tailReader(streams: readonly Stream[], durable: boolean): Promise<TailReader>;
  /**
   * Removes entries that did not come from us and would block what is pushed. A broker in which they block nothing may keep
   * them.
   */
  forget(stream: Stream, positions: readonly BrokerPosition[]): Promise<void>;
  /** The entries of a durable stream up to this number are not needed any more. A broker that forgets by age may keep them. */
  trim(stream: Stream, seq: number): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
