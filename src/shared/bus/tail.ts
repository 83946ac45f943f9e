import { messageOf } from "#shared/errors/app-error.ts";
import type { Delivery, TailReader } from "./broker.ts";
import type { BusEvent, Running, TailOptions } from "./bus.ts";
import { decode } from "./envelope.ts";
import { type StoredEntry, streamKey } from "./log-store.ts";
import { GrowingPause } from "./pause.ts";
import type { BusContext } from "./subscription.ts";

/** Entries of one read at most. */
const READ_COUNT = 500;
/** How often a durable topic is compared with the log's heads. */
const COMPARE_MS = 1_000;

/** Reads all partitions of a topic for one reader; the three reading rules hold for durable topics. */
export class Tail implements Running {
  private readonly positions = new Map<number, number>();
  private readonly closing = new AbortController();
  private readonly begun = Promise.withResolvers<void>();
  private readonly loop: Promise<void>;
  private reader: TailReader | undefined;
  private comparedAtMs = 0;
  private readonly pause: GrowingPause;

  constructor(
    private readonly context: BusContext,
    private readonly options: TailOptions,
  ) {
    this.pause = new GrowingPause(context.clock, 1_000);
    this.loop = this.run();
  }

  get ready(): Promise<void> {
    return this.begun.promise;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.reader?.close();
    await this.loop;
    this.begun.resolve();
  }

  private get isDurable(): boolean {
    return this.options.topic.class === "durable";
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      try {
        await this.begin();
        await this.readOnce();
        this.pause.reset();
      } catch (error) {
        const fields = { topic: this.options.topic.name, error: messageOf(error) };
        if (!signal.aborted && this.pause.count === 0) this.context.log.warn(fields, "A tail is tried again");
        await this.pause.wait(signal);
        await this.compare().catch(() => undefined);
      }
    }
  }

  /** The broker's reader first, then the heads: so nothing falls between. */
  private async begin(): Promise<void> {
    const { topic, from } = this.options;
    const parts = Array.from({ length: this.context.partitions }, (_, part) => part);
    this.reader ??= await this.context.broker.tailReader(
      parts.map((part) => ({ topic: topic.name, part })),
      this.isDurable,
    );
    if (this.isDurable && this.positions.size === 0) {
      const heads = await this.context.logStore.heads([topic.name]);
      for (const part of parts) {
        this.positions.set(part, from === "start" ? 0 : (heads.get(streamKey({ topic: topic.name, part })) ?? 0));
      }
      if (from === "start") await this.compare();
    }
    this.begun.resolve();
  }

  private async readOnce(): Promise<void> {
    const deliveries = (await this.reader?.read(READ_COUNT)) ?? [];
    for (const [part, own] of Map.groupBy(deliveries, (delivery) => delivery.part)) {
      if (this.isDurable) await this.takeDurable(part, own);
      else
        await this.give(
          part,
          own.map(({ json }) => ({ seq: 0, json })),
        );
    }
    if (this.pause.count > 0 || this.context.clock.monotonicMs() - this.comparedAtMs >= COMPARE_MS)
      await this.compare();
  }

  private async takeDurable(part: number, deliveries: readonly Delivery[]): Promise<void> {
    const position = this.positions.get(part) ?? 0;
    const fresh = deliveries.filter(({ seq }) => seq > position);
    const isDense = fresh.every(({ seq }, index) => seq === position + 1 + index);
    if (isDense) await this.give(part, fresh);
    else await this.catchUp(part, Math.max(...fresh.map(({ seq }) => seq)));
  }

  private async compare(): Promise<void> {
    this.comparedAtMs = this.context.clock.monotonicMs();
    if (!this.isDurable) return;
    const { name } = this.options.topic;
    const heads = await this.context.logStore.heads([name]);
    for (const part of this.positions.keys())
      await this.catchUp(part, heads.get(streamKey({ topic: name, part })) ?? 0);
  }

  private async catchUp(part: number, head: number): Promise<void> {
    const stream = { topic: this.options.topic.name, part };
    while ((this.positions.get(part) ?? 0) < head && !this.closing.signal.aborted) {
      const entries = await this.context.logStore.read(stream, this.positions.get(part) ?? 0, READ_COUNT);
      if (entries.length === 0) return;
      await this.give(part, entries);
    }
  }

  private async give(part: number, entries: readonly StoredEntry[]): Promise<void> {
    const { topic } = this.options;
    const keys = this.options.keys?.();
    const events: BusEvent[] = [];
    for (const entry of entries) {
      try {
        const event = decode(topic, part, entry);
        if (keys === undefined || keys.has(event.key)) events.push(event);
      } catch (error) {
        this.context.log.error(
          { topic: topic.name, part, seq: entry.seq, error: messageOf(error) },
          "An event is lost",
        );
      }
    }
    const last = entries.at(-1);
    if (events.length > 0) {
      try {
        await this.options.handle(events);
      } catch (error) {
        if (this.isDurable) throw error;
        this.context.log.error({ topic: topic.name, part, error: messageOf(error), err: error }, "Events are lost");
      }
    }
    // Only now: what the handler did not take comes again from the log.
    if (this.isDurable && last !== undefined) this.positions.set(part, last.seq);
  }
}
