import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { changeAtCommit } from "#shared/db/memory.ts";
import type { UnitEpoch } from "./log-store.ts";
import type {
  FailedTry,
  LaneFilter,
  LaneHead,
  NewParked,
  ParkedEntry,
  ParkedEvent,
  ParkedFilter,
  ParkedLane,
  Parking,
} from "./parking.ts";

interface Row extends ParkedEvent {
  nextTryMs: number;
}

class MemoryParking implements Parking {
  private rows: readonly Row[] = [];

  constructor(private readonly clock: Clock) {}

  park(tx: Tx, { group, part: partition }: UnitEpoch, entries: readonly NewParked[]): Promise<void> {
    const added = entries.map(({ json: raw, delayMs, ...entry }): Row => {
      const nextTryMs = this.clock.monotonicMs() + delayMs;
      return { ...entry, raw, group, partition, id: Bun.randomUUIDv7(), parkedAtMs: this.clock.nowMs(), nextTryMs };
    });
    changeAtCommit(tx, () => {
      this.rows = [...this.rows, ...added].toSorted((a, b) => a.seq - b.seq);
    });
    return Promise.resolve();
  }

  heads({ group, topics, blocking, part }: LaneFilter): Promise<LaneHead[]> {
    const holding = this.rows.filter(
      (row) =>
        row.group === group &&
        topics.includes(row.topic) &&
        (part === undefined || row.partition === part) &&
        (row.state === "parked" || blocking.includes(row.topic)),
    );
    const lanes = Map.groupBy(holding, ({ topic, partition, key }) => JSON.stringify([topic, partition, key]));
    const heads = [...lanes.values()].flatMap(([head]): LaneHead[] => {
      if (head === undefined) return [];
      const { topic, key, partition, state, nextTryMs } = head;
      return [{ topic, key, part: partition, state, inMs: Math.max(nextTryMs - this.clock.monotonicMs(), 0) }];
    });
    return Promise.resolve(heads);
  }

  open(
    _tx: Tx,
    { group, part }: UnitEpoch,
    lane: ParkedLane,
    { limit, skipsDead }: { limit: number; skipsDead: boolean },
  ): Promise<ParkedEntry[]> {
    const waiting = this.laneOf(group, lane).filter(({ partition }) => partition === part);
    const found = waiting.filter(({ state }) => state === "parked" || !skipsDead).slice(0, limit);
    return Promise.resolve(found.map(({ seq, raw, state, tries }) => ({ seq, json: raw, state, tries })));
  }

  remove(tx: Tx, unit: UnitEpoch, topic: string, seqs: readonly number[]): Promise<void> {
    changeAtCommit(tx, () => {
      this.rows = this.rows.filter((row) => !(isOf(row, unit, topic) && seqs.includes(row.seq)));
    });
    return Promise.resolve();
  }

  fail(tx: Tx, unit: UnitEpoch, { topic, seq, state, tries, error, delayMs }: FailedTry): Promise<void> {
    changeAtCommit(tx, () => {
      const row = this.rows.find((one) => isOf(one, unit, topic) && one.seq === seq && one.state === "parked");
      if (row !== undefined) this.replace(row, { state, tries, error, nextTryMs: this.clock.monotonicMs() + delayMs });
    });
    return Promise.resolve();
  }

  list({ group, state }: ParkedFilter, after: [number, string] | null, limit: number): Promise<ParkedEvent[]> {
    const all = this.rows.filter((row) => row.group === group && (state === undefined || row.state === state));
    const listed = all.toSorted((a, b) => byTime([a.parkedAtMs, a.id], [b.parkedAtMs, b.id]));
    const rest = after === null ? listed : listed.filter((row) => byTime([row.parkedAtMs, row.id], after) > 0);
    return Promise.resolve(rest.slice(0, limit));
  }

  find(group: string, id: string): Promise<{ event: ParkedEvent; waiting: number } | null> {
    const event = this.rows.find((row) => row.group === group && row.id === id);
    if (event === undefined) return Promise.resolve(null);
    return Promise.resolve({ event, waiting: this.laneOf(group, event).filter(({ seq }) => seq > event.seq).length });
  }

  redrive(tx: Tx, group: string, id: string): Promise<ParkedEvent | null> {
    const row = this.deadOne(group, id);
    const again = { state: "parked", tries: 0, nextTryMs: this.clock.monotonicMs() } as const;
    if (row !== null) changeAtCommit(tx, () => this.replace(row, again));
    return Promise.resolve(row);
  }

  discard(tx: Tx, group: string, id: string): Promise<ParkedEvent | null> {
    const row = this.deadOne(group, id);
    changeAtCommit(tx, () => {
      this.rows = this.rows.filter((one) => one.id !== row?.id);
    });
    return Promise.resolve(row);
  }

  hasDead(_tx: Tx, group: string, lane: ParkedLane): Promise<boolean> {
    return Promise.resolve(this.laneOf(group, lane).some(({ state }) => state === "dead"));
  }

  private laneOf(group: string, { topic, key }: ParkedLane): Row[] {
    return this.rows.filter((row) => row.group === group && row.topic === topic && row.key === key);
  }

  private deadOne(group: string, id: string): Row | null {
    return this.rows.find((row) => row.group === group && row.id === id && row.state === "dead") ?? null;
  }

  private replace(old: Row, patch: Partial<Row>): void {
    this.rows = this.rows.map((row) => (row.id === old.id ? { ...row, ...patch } : row));
  }
}

/** The order of a list: as of two columns. */
function byTime([ms, id]: [number, string], [otherMs, otherId]: [number, string]): number {
  if (ms !== otherMs) return ms - otherMs;
  return id === otherId ? 0 : id < otherId ? -1 : 1;
}

function isOf(row: Row, { group, part }: UnitEpoch, topic: string): boolean {
  return row.group === group && row.partition === part && row.topic === topic;
}

/** The parking in memory, for the transactions of createMemoryDb: they run one after the other, so that nothing is locked. */
export function createMemoryParking(clock: Clock): Parking {
  return new MemoryParking(clock);
}
