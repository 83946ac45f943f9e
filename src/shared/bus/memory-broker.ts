import type { Clock } from "#shared/clock/clock.ts";
import type { Assignment, Broker, BrokerPosition, Delivery, GroupReader, TailReader } from "./broker.ts";
import { type Stream, streamKey } from "./log-store.ts";

/** How long a read waits, as with a server. */
const BLOCK_MS = 1_000;

/** `place` grows in a stream: the number of a durable entry, a counter for volatile ones. */
interface Entry {
  place: number;
  json: string;
}

interface MemoryStream {
  entries: Entry[];
  lastPlace: number;
  groups: Map<string, { delivered: number; pending: Map<number, Entry> }>;
}

/** The server's side: streams that brokers in one process share. */
export class MemoryStreams {
  readonly byName = new Map<string, MemoryStream>();
  private changed = Promise.withResolvers<void>();

  of(stream: Stream): MemoryStream {
    const known = this.byName.get(streamKey(stream));
    if (known !== undefined) return known;
    const made: MemoryStream = { entries: [], lastPlace: 0, groups: new Map() };
    this.byName.set(streamKey(stream), made);
    return made;
  }

  /** Adds an entry, unless it is there already or has a newer one behind it. */
  add(stream: Stream, place: number | undefined, json: string): void {
    const target = this.of(stream);
    const at = place ?? target.lastPlace + 1;
    if (at <= target.lastPlace) return;
    target.lastPlace = at;
    target.entries.push({ place: at, json });
  }

  /** Wakes everyone who waits. */
  notify(): void {
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }

  async wait(clock: Clock, ended: AbortSignal): Promise<void> {
    const over = new AbortController();
    await Promise.race([this.changed.promise, clock.sleep(BLOCK_MS, AbortSignal.any([over.signal, ended]))]);
    over.abort();
  }
}

/** A position here is an entry's place. */
function placeOf(position: BrokerPosition): number {
  return Number(position);
}

function deliveryOf({ topic, part }: Stream, durable: boolean, { place, json }: Entry): Delivery {
  return { topic, part, position: String(place) as BrokerPosition, seq: durable ? place : 0, json };
}

class MemoryGroupReader implements GroupReader {
  private streams: readonly Assignment[] = [];
  private readonly epochs = new Map<string, number>();
  private readonly ended = new AbortController();

  constructor(
    private readonly server: MemoryStreams,
    private readonly clock: Clock,
    private readonly group: string,
  ) {}

  assign(streams: readonly Assignment[]): void {
    this.streams = streams;
    this.server.notify();
  }

  async read(count: number): Promise<Delivery[]> {
    const ready = this.take(count);
    if (ready.length > 0 || this.ended.signal.aborted) return ready;
    await this.server.wait(this.clock, this.ended.signal);
    return this.take(count);
  }

  acknowledge(stream: Stream, upTo: BrokerPosition): void {
    const pending = this.server.of(stream).groups.get(this.group)?.pending ?? new Map<number, Entry>();
    for (const place of pending.keys()) if (place <= placeOf(upTo)) pending.delete(place);
  }

  close(): Promise<void> {
    this.ended.abort();
    return Promise.resolve();
  }

  private take(count: number): Delivery[] {
    return this.streams.flatMap((assignment) => {
      const { topic, part, durable, epoch } = assignment;
      const stream = this.server.of(assignment);
      const known = stream.groups.get(this.group);
      const group = known ?? { delivered: durable ? assignment.doneSeq() : 0, pending: new Map<number, Entry>() };
      stream.groups.set(this.group, group);
      let entries: Entry[] = [];
      if (this.epochs.get(streamKey(assignment)) !== epoch) {
        this.epochs.set(streamKey(assignment), epoch);
        if (durable) group.delivered = assignment.doneSeq();
        else entries = [...group.pending.values()];
      }
      entries.push(...stream.entries.filter(({ place }) => place > group.delivered).slice(0, count));
      for (const entry of entries) {
        group.delivered = Math.max(group.delivered, entry.place);
        if (!durable) group.pending.set(entry.place, entry);
      }
      return entries.map((entry) => deliveryOf({ topic, part }, durable, entry));
    });
  }
}

function tailOf(server: MemoryStreams, clock: Clock, streams: readonly Stream[], durable: boolean): TailReader {
  const lasts = new Map(streams.map((stream) => [stream, server.of(stream).lastPlace]));
  const ended = new AbortController();
  const take = (count: number): Delivery[] =>
    streams.flatMap((stream) => {
      const { entries, lastPlace } = server.of(stream);
      // A stream that was lost begins anew.
      const last = Math.min(lasts.get(stream) ?? 0, lastPlace);
      const fresh = entries.filter(({ place }) => place > last).slice(0, count);
      lasts.set(stream, fresh.at(-1)?.place ?? last);
      return fresh.map((entry) => deliveryOf(stream, durable, entry));
    });
  return {
    async read(count) {
      const ready = take(count);
      if (ready.length > 0 || ended.signal.aborted) return ready;
      await server.wait(clock, ended.signal);
      return take(count);
    },
    close() {
      ended.abort();
      return Promise.resolve();
    },
  };
}

/** A broker in memory over streams that others may share. */
export function createMemoryBroker(clock: Clock, server: MemoryStreams = new MemoryStreams()): Broker {
  return {
    push(entries) {
      for (const entry of entries) server.add(entry, entry.seq, entry.json);
      server.notify();
      return Promise.resolve();
    },
    pushVolatile(entries) {
      for (const entry of entries) {
        server.add(entry, undefined, entry.json);
        const stream = server.of(entry);
        if (stream.entries.length > 2 * entry.maxLength) stream.entries = stream.entries.slice(-entry.maxLength);
      }
      server.notify();
      return Promise.resolve();
    },
    groupReader: (group) => new MemoryGroupReader(server, clock, group),
    tailReader: (streams, durable) => Promise.resolve(tailOf(server, clock, streams, durable)),
    forget(stream, positions) {
      const target = server.of(stream);
      const gone = new Set(positions.map(placeOf));
      target.entries = target.entries.filter(({ place }) => !gone.has(place));
      target.lastPlace = target.entries.at(-1)?.place ?? 0;
      return Promise.resolve();
    },
    trim(stream, seq) {
      const target = server.of(stream);
      target.entries = target.entries.filter(({ place }) => place > seq);
      return Promise.resolve();
    },
    ping: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
