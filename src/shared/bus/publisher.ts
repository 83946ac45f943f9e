import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { Broker, Push, VolatilePush } from "./broker.ts";
import type { OutgoingEvent, Topic } from "./bus.ts";
import { encode } from "./envelope.ts";
import { type LogStore, type NewEntries, type NewEntry, streamKey } from "./log-store.ts";
import { partitionOf } from "./murmur2.ts";

export interface PublisherOptions {
  logStore: LogStore;
  broker: Broker;
  clock: Clock;
  log: Logger;
  instance: string;
  partitions: number;
}

/** What a transaction is going to append. */
interface Pending {
  streams: Map<string, NewEntries & { entries: NewEntry[] }>;
  isAppended: boolean;
}

const PENDING = Symbol("bus: events of this transaction");
const LAST = Symbol("bus: append, after all other hooks");

/** A volatile stream's length when its topic does not say. */
const DEFAULT_LENGTH = 10_000;

function checkClass(topic: Topic, wanted: Topic["class"]): void {
  if (topic.class === wanted) return;
  throw new AppError("INTERNAL", "permanent", `The topic "${topic.name}" is ${topic.class}, not ${wanted}.`);
}

function sorted(streams: Iterable<NewEntries>): NewEntries[] {
  return [...streams].sort((a, b) => (a.topic === b.topic ? a.part - b.part : a.topic < b.topic ? -1 : 1));
}

/** Writes events: durable ones into the log with the caller's transaction, volatile ones to the broker. */
export class Publisher {
  private readonly pushes = new Set<Promise<void>>();
  private waiting: { entries: VolatilePush[]; done: Promise<void> } | undefined;

  constructor(private readonly options: PublisherOptions) {}

  publish(tx: Tx, events: readonly OutgoingEvent[]): void {
    if (events.length === 0) return;
    const pending = this.pendingOf(tx);
    if (pending.isAppended) {
      throw new AppError("INTERNAL", "permanent", "Events were published after the transaction had appended its own.");
    }
    for (const event of events) {
      checkClass(event.topic, "durable");
      const stream = { topic: event.topic.name, part: partitionOf(event.key, this.options.partitions) };
      const entries = pending.streams.get(streamKey(stream)) ?? { ...stream, entries: [] };
      pending.streams.set(streamKey(stream), entries);
      const json = this.encode(event);
      entries.entries.push({ key: event.key, type: event.type, version: event.topic.version, json });
    }
  }

  /** Everything that is published in one tick of the event loop goes in one pipeline. */
  publishVolatile(events: readonly OutgoingEvent[]): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    const entries = events.map((event): VolatilePush => {
      checkClass(event.topic, "volatile");
      return {
        topic: event.topic.name,
        part: partitionOf(event.key, this.options.partitions),
        json: this.encode(event),
        maxLength: event.topic.maxLength ?? DEFAULT_LENGTH,
      };
    });
    if (this.waiting === undefined) {
      const own: VolatilePush[] = [];
      const done = Promise.resolve().then(() => {
        this.waiting = undefined;
        return this.options.broker.pushVolatile(own);
      });
      this.waiting = { entries: own, done };
    }
    this.waiting.entries.push(...entries);
    return this.waiting.done;
  }

  /** Waits for the pushes that are under way. */
  async close(): Promise<void> {
    await Promise.all(this.pushes);
  }

  private encode(event: OutgoingEvent): string {
    return encode(event, { source: this.options.instance, nowMs: () => this.options.clock.nowMs() });
  }

  private pendingOf(tx: Tx): Pending {
    const known = tx.scope.get(PENDING) as Pending | undefined;
    if (known !== undefined) return known;
    const pending: Pending = { streams: new Map(), isAppended: false };
    tx.scope.set(PENDING, pending);
    let batch: NewEntries[] = [];
    let firsts: Promise<readonly number[]> = Promise.resolve([]);
    const append = (): Promise<void> => {
      pending.isAppended = true;
      batch = sorted(pending.streams.values());
      firsts = this.options.logStore.append(tx, batch);
      firsts.catch(() => {
        // The transaction fails with it.
      });
      return Promise.resolve();
    };
    // Registered only when the hooks run: so the partitions are locked after what other hooks lock.
    tx.beforeCommit(PENDING, () => {
      tx.beforeCommit(LAST, append);
      return Promise.resolve();
    });
    tx.afterCommit(() => {
      const push = this.push(batch, firsts).finally(() => this.pushes.delete(push));
      this.pushes.add(push);
    });
    return pending;
  }

  /** A push that fails is no failure of the transaction: its readers notice by number and read the log. */
  private async push(batch: readonly NewEntries[], firsts: Promise<readonly number[]>): Promise<void> {
    try {
      const numbers = await firsts;
      const pushes = batch.flatMap(({ topic, part, entries }, place): Push[] =>
        entries.map(({ json }, index) => ({ topic, part, seq: (numbers[place] ?? 0) + index, json })),
      );
      await this.options.broker.push(pushes);
    } catch (error) {
      this.options.log.warn({ error: messageOf(error) }, "Events were not pushed; readers get them from the log");
    }
  }
}
