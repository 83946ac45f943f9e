import type { Tx } from "#shared/db/db.ts";
import type { StoredEntry, UnitEpoch } from "./log-store.ts";

/** Where events wait that failed, and those behind them: one key of a topic, in a group. */
export interface ParkedLane {
  readonly topic: string;
  readonly key: string;
}

/** parked: it is tried again. dead: nobody tries it, until a person redrives or discards it. */
export type ParkedState = "parked" | "dead";

/** An event that the position passes without its effect. */
export interface NewParked extends StoredEntry, ParkedLane {
  state: ParkedState;
  /** How often it has failed; 0: it only waits behind another one. */
  tries: number;
  error: string | null;
  /** It is not tried before, in milliseconds from now. */
  delayMs: number;
}

/** The first event of a lane that holds its key. */
export interface LaneHead extends ParkedLane {
  part: number;
  state: ParkedState;
  /** When it may be tried, in milliseconds from now. */
  inMs: number;
}

/** An event of a lane, as it came. */
export interface ParkedEntry extends StoredEntry {
  state: ParkedState;
  tries: number;
}

/** What became of another try. */
export interface FailedTry {
  topic: string;
  seq: number;
  state: ParkedState;
  tries: number;
  error: string;
  delayMs: number;
}

/** A parked or dead event for a person. */
export interface ParkedEvent extends ParkedLane {
  id: string;
  group: string;
  partition: number;
  seq: number;
  state: ParkedState;
  tries: number;
  error: string | null;
  /** The event's bytes as text: JSON, where it could be read. */
  raw: string;
  parkedAtMs: number;
}

/** Of which group, which topics of it, and which of these hold a key behind a dead event. */
export interface LaneFilter {
  group: string;
  topics: readonly string[];
  blocking: readonly string[];
  /** Undefined: of all partitions. */
  part?: number;
}

/** Which events a person asks for. */
export interface ParkedFilter {
  group: string;
  state?: ParkedState | undefined;
}

/**
 * The events that groups have passed without their effect. Written by the owner of the unit in transactions that its epoch
 * fences and that have locked its positions first, and by a person's word on dead ones.
 */
export interface Parking {
  /** Adds events, in the transaction that moves the position past them. Sent when called; it need not be awaited. */
  park(tx: Tx, unit: UnitEpoch, entries: readonly NewParked[]): Promise<void>;
  /** The head of each lane that holds its key. With a transaction: as it sees it. */
  heads(of: LaneFilter, tx?: Tx): Promise<LaneHead[]>;
  /** The first events of a lane, locked. `skipsDead`: without the dead ones, which then hold nothing. */
  open(tx: Tx, unit: UnitEpoch, lane: ParkedLane, how: { limit: number; skipsDead: boolean }): Promise<ParkedEntry[]>;
  /** Takes events out whose effect is in this transaction. Need not be awaited. */
  remove(tx: Tx, unit: UnitEpoch, topic: string, seqs: readonly number[]): Promise<void>;
  /** Writes what became of another try; of one that a person took out meanwhile nothing. Need not be awaited. */
  fail(tx: Tx, unit: UnitEpoch, failed: FailedTry): Promise<void>;

  /** Oldest first, from behind `after`. */
  list(of: ParkedFilter, after: [parkedAtMs: number, id: string] | null, limit: number): Promise<ParkedEvent[]>;
  /** An event with how many of its key wait behind it. Null: there is none in this group. */
  find(group: string, id: string): Promise<{ event: ParkedEvent; waiting: number } | null>;
  /** A dead event is tried again, at once and as if for the first time. Null: it is not dead (any more). */
  redrive(tx: Tx, group: string, id: string): Promise<ParkedEvent | null>;
  /** A dead event is taken out without its effect. Null: it is not dead (any more). */
  discard(tx: Tx, group: string, id: string): Promise<ParkedEvent | null>;
  /** Whether a lane has a dead event, as the transaction sees it. */
  hasDead(tx: Tx, group: string, lane: ParkedLane): Promise<boolean>;
}
