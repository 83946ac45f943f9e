import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { changeAtCommit } from "#shared/db/memory.ts";
import { fenced } from "#shared/errors/app-error.ts";
import type { Lag } from "./bus.ts";
import {
  type Advance,
  type LogEntry,
  type LogStore,
  type NewEntries,
  type Position,
  type Stream,
  streamKey,
  type TakenPosition,
  type UnitEpoch,
} from "./log-store.ts";
import { createMemoryParking } from "./memory-parking.ts";

interface MemoryPosition {
  topic: string;
  part: number;
  seq: number;
  epoch: number;
  careful: number;
}

function positionName(group: string, topic: string, part: number): string {
  return JSON.stringify([group, topic, part]);
}

class MemoryLogStore implements LogStore {
  readonly parking: LogStore["parking"];
  private readonly log = new Map<string, LogEntry[]>();
  private readonly places = new Map<string, MemoryPosition>();
  private readonly beats = new Map<string, { group: string; member: string; atMs: number; leaseMs: number }>();
  private readonly timeLine = crypto.randomUUID();

  constructor(private readonly clock: Clock) {
    this.parking = createMemoryParking(clock);
  }

  append(tx: Tx, batch: readonly NewEntries[]): Promise<readonly number[]> {
    const firsts = batch.map((stream) => (this.log.get(streamKey(stream))?.length ?? 0) + 1);
    changeAtCommit(tx, () => {
      batch.forEach((stream, place) => {
        const kept = this.log.get(streamKey(stream)) ?? [];
        this.log.set(streamKey(stream), kept);
        stream.entries.forEach(({ key, json }, index) => kept.push({ seq: (firsts[place] ?? 1) + index, key, json }));
      });
    });
    return Promise.resolve(firsts);
  }

  read(stream: Stream, afterSeq: number, limit: number): Promise<LogEntry[]> {
    return Promise.resolve((this.log.get(streamKey(stream)) ?? []).slice(afterSeq, afterSeq + limit));
  }

  heads(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const wanted = [...this.log].filter(([name]) => topics.some((topic) => name.startsWith(`${topic}:`)));
    return Promise.resolve(new Map(wanted.map(([name, entries]) => [name, entries.length])));
  }

  take(tx: Tx, { group, part, epoch }: UnitEpoch, topics: readonly string[]): Promise<TakenPosition[]> {
    const taken = topics.map((topic) => {
      const { seq = 0, careful = 0 } = this.places.get(positionName(group, topic, part)) ?? {};
      return { topic, part, seq, epoch, careful };
    });
    changeAtCommit(tx, () => {
      for (const position of taken) this.places.set(positionName(group, position.topic, part), position);
    });
    return Promise.resolve(taken.map(({ topic, seq, careful }) => ({ topic, seq, careful })));
  }

  beCareful({ group, part, epoch }: UnitEpoch, until: readonly Position[]): Promise<void> {
    for (const { topic, seq } of until) {
      const position = this.places.get(positionName(group, topic, part));
      if (position?.epoch === epoch) position.careful = Math.max(position.careful, seq);
    }
    return Promise.resolve();
  }

  advance(tx: Tx, unit: UnitEpoch, steps: readonly Advance[]): Promise<void> {
    if (!this.isAt(unit, steps)) {
      const failure = fenced(`${unit.group}:${unit.part}`);
      // As with a database: who did not wait for the failure fails at the commit.
      tx.beforeCommit(Symbol("fenced"), () => Promise.reject(failure));
      return Promise.reject(failure);
    }
    changeAtCommit(tx, () => this.move(unit, steps));
    return Promise.resolve();
  }

  pass(unit: UnitEpoch, steps: readonly Advance[]): Promise<void> {
    if (!this.isAt(unit, steps)) return Promise.reject(fenced(`${unit.group}:${unit.part}`));
    this.move(unit, steps);
    return Promise.resolve();
  }

  standing(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const own = [...this.places].filter(([name, { topic, part }]) => {
      return topics.includes(topic) && name === positionName(group, topic, part);
    });
    return Promise.resolve(new Map(own.map(([, position]) => [streamKey(position), position.seq])));
  }

  lag(): Promise<Lag[]> {
    const behind = [...this.places].map(([name, position]) => {
      const { topic, part: partition, seq } = position;
      const [group = ""] = JSON.parse(name) as string[];
      return { group, topic, partition, events: (this.log.get(streamKey(position))?.length ?? 0) - seq };
    });
    return Promise.resolve(behind);
  }

  private isAt({ group, part, epoch }: UnitEpoch, steps: readonly Advance[]): boolean {
    return steps.every(({ topic, before }) => {
      const position = this.places.get(positionName(group, topic, part));
      return position?.epoch === epoch && position.seq === before;
    });
  }

  private move({ group, part, epoch }: UnitEpoch, steps: readonly Advance[]): void {
    for (const { topic, after } of steps) {
      const careful = this.places.get(positionName(group, topic, part))?.careful ?? 0;
      this.places.set(positionName(group, topic, part), { topic, part, seq: after, epoch, careful });
    }
  }

  positions({ group, part, epoch }: UnitEpoch, topics: readonly string[]): Promise<Position[] | undefined> {
    const found = topics.map((topic) => this.places.get(positionName(group, topic, part)));
    const mine = found.filter((position) => position !== undefined && position.epoch === epoch);
    if (mine.length !== topics.length) return Promise.resolve(undefined);
    return Promise.resolve(mine.flatMap((position) => (position === undefined ? [] : [position])));
  }

  slowest(): Promise<ReadonlyMap<string, number>> {
    const slowest = new Map<string, number>();
    for (const position of this.places.values()) {
      const name = streamKey(position);
      slowest.set(name, Math.min(position.seq, slowest.get(name) ?? Number.POSITIVE_INFINITY));
    }
    return Promise.resolve(slowest);
  }

  beat(group: string, member: string, leaseMs: number): Promise<string[]> {
    const nowMs = this.clock.monotonicMs();
    this.beats.set(JSON.stringify([group, member]), { group, member, atMs: nowMs, leaseMs });
    const present = [...this.beats.values()].filter((beat) => beat.group === group && beat.atMs + beat.leaseMs > nowMs);
    return Promise.resolve(present.map((beat) => beat.member));
  }

  leave(group: string, member: string): Promise<void> {
    this.beats.delete(JSON.stringify([group, member]));
    return Promise.resolve();
  }

  incarnation(): Promise<string> {
    return Promise.resolve(this.timeLine);
  }
}

/** The log in memory, for the transactions of createMemoryDb. Shared by all who get the same object. */
export function createMemoryLogStore(clock: Clock): LogStore {
  return new MemoryLogStore(clock);
}
