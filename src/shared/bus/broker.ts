import type { Stream } from "./log-store.ts";

/** A durable event: its number in the log is its number here. */
export interface Push extends Stream {
  seq: number;
  json: string;
}

export interface VolatilePush extends Stream {
  json: string;
  /** About how many entries the stream keeps. */
  maxLength: number;
}

/** An entry that came. `seq` is 0 in a volatile stream; `id` is the broker's own name for it. */
export interface Delivery extends Stream {
  id: string;
  seq: number;
  json: string;
}

/** A stream that a reader of a group is to read. */
export interface Assignment extends Stream {
  durable: boolean;
  /** Another epoch means: taken over, the deliveries of earlier owners are void. */
  epoch: number;
  /** Where the group stands, asked for whenever the broker has to be told. 0 for volatile streams. */
  position: () => number;
}

/** Reads streams as one member of a group. One `read` at a time. */
export interface GroupReader {
  /** What is read from now on. Ends a waiting `read` early. */
  assign(streams: readonly Assignment[]): void;
  /**
   * Waits for entries, at most about a second. Empty: nothing came, or the streams have changed. Entries may come twice,
   * in any order, or never. Throws an AppError (outage) when the broker is away; the next call tries again.
   */
  read(count: number): Promise<Delivery[]>;
  /** Tells the broker that entries are done with. Best effort: what it does not learn comes again or is skipped by number. */
  acknowledge(stream: Stream, ids: readonly string[]): void;
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
  /** Adds durable events under their numbers. What is there already, or has a newer one behind it, is left out without an error. */
  push(entries: readonly Push[]): Promise<void>;
  pushVolatile(entries: readonly VolatilePush[]): Promise<void>;
  groupReader(group: string, member: string): GroupReader;
  /** Reads from the end of each stream on; all are of one class. Resolves once nothing that comes from now on is missed. */
  tailReader(streams: readonly Stream[], durable: boolean): Promise<TailReader>;
  /** Takes out entries that nobody should have put in, so that they are not in the way of what is pushed. */
  forget(stream: Stream, ids: readonly string[]): Promise<void>;
  /** Forgets the entries of a durable stream up to this number. */
  trim(stream: Stream, seq: number): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
