import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { Leader } from "#shared/leader/leader.ts";
import type { Broker, GroupReader } from "./broker.ts";
import type { OwnedUnit, Running, SubscribeOptions } from "./bus.ts";
import { endsWithin } from "./handler-deadline.ts";
import type { LogStore } from "./log-store.ts";
import { Ownership } from "./ownership.ts";
import { GrowingPause } from "./pause.ts";
import { allotmentOf } from "./rendezvous-allotment.ts";
import type { PoisonOptions } from "./unit-place.ts";
import { type TakenUnit, UnitWorker } from "./unit-worker.ts";

/** What subscriptions and tails are made from. */
export interface BusContext {
  db: Db;
  logStore: LogStore;
  broker: Broker;
  leader: Leader;
  clock: Clock;
  log: Logger;
  /** The process' name, part of members' names. */
  instance: string;
  partitions: number;
  poison: PoisonOptions;
}

/** Entries of one read at most. */
const READ_COUNT = 500;
/** How often positions are compared with the log's heads. */
const COMPARE_MS = 1_000;

function checkOptions(options: SubscribeOptions): void {
  for (const topic of options.topics) {
    if (options[topic.class === "durable" ? "handle" : "handleVolatile"] === undefined) {
      throw new AppError("INTERNAL", "permanent", `The ${topic.class} topic "${topic.name}" has no handler.`);
    }
  }
}

/** One member of a group: it owns units, reads their streams over one connection and works each unit on its own. */
export class Subscription implements Running {
  private readonly member: string;
  private readonly reader: GroupReader;
  private readonly ownership: Ownership;
  private readonly workers = new Map<number, UnitWorker>();
  /** What the takeover's transaction gave, by partition, until the unit's work begins. */
  private readonly taken = new Map<number, TakenUnit>();
  private readonly durableTopics: string[];
  /** Topics in which a dead event blocks the later ones of its key. */
  private readonly blocking: string[];
  private readonly closing = new AbortController();
  private readonly loops: Promise<void>[];
  private assigned = "";
  private closed: Promise<void> | undefined;

  constructor(
    private readonly context: BusContext,
    private readonly options: SubscribeOptions,
  ) {
    checkOptions(options);
    const { broker, leader, clock, log, instance, partitions } = context;
    this.durableTopics = options.topics.filter((topic) => topic.class === "durable").map((topic) => topic.name);
    this.blocking = options.topics.filter((topic) => topic.onDead === "block").map((topic) => topic.name);
    this.member = `${instance}-${crypto.randomUUID().slice(0, 8)}`;
    this.reader = broker.groupReader(options.group, this.member);
    this.ownership = new Ownership({
      group: options.group,
      member: this.member,
      units: partitions,
      allotment: allotmentOf(context, options.group, this.member),
      leader,
      clock,
      log,
      onTaken: (tx, partition, epoch) => this.onTaken(tx, partition, epoch),
      run: (unit) => this.work(unit),
    });
    this.ownership.start();
    this.loops = [this.readLoop(), this.compareLoop()];
  }

  get ready(): Promise<void> {
    return this.ownership.ready;
  }

  close(): Promise<void> {
    this.closed ??= (async () => {
      await this.ownership.stop();
      this.closing.abort();
      await this.reader.close();
      await Promise.all(this.loops);
    })();
    return this.closed;
  }

  private async onTaken(tx: Tx, part: number, epoch: number): Promise<void> {
    const { group } = this.options;
    const { logStore } = this.context;
    const { blocking, durableTopics: topics } = this;
    if (topics.length === 0) return;
    const [positions, heads] = await Promise.all([
      logStore.take(tx, { group, part, epoch }, topics),
      // Sent behind it: the positions' lock has waited for the old owner's commit.
      logStore.parking.heads({ group, topics, blocking, part }, tx),
    ]);
    this.taken.set(part, { positions, heads });
  }

  private async work(owned: OwnedUnit): Promise<void> {
    const { db, logStore, clock, log, poison } = this.context;
    const { onAcquired, onReleased } = this.options;
    const taken = this.taken.get(owned.partition) ?? { positions: [], heads: [] };
    // The work may end by itself while the lease still runs: whoever follows the unit has to end with it.
    const over = new AbortController();
    const unit = { ...owned, signal: AbortSignal.any([owned.signal, over.signal]) };
    const place = { unit, clock, poison };
    await endsWithin(place, onAcquired?.(unit));
    const shared = { db, logStore, clock, log, poison, subscription: this.options, onFlow: () => this.assign() };
    const worker = new UnitWorker(shared, unit, taken, this.reader);
    this.workers.set(unit.partition, worker);
    this.assign();
    try {
      await worker.run();
    } finally {
      over.abort();
      this.workers.delete(unit.partition);
      this.assign();
      await endsWithin(place, onReleased?.(unit));
    }
  }

  /** Tells the reader what to read: the streams of all units but of those whose inbox is full. */
  private assign(): void {
    const streams = [...this.workers.values()].filter((worker) => !worker.inbox.isFull).flatMap((w) => w.assignments());
    const name = streams.map(({ topic, part, epoch }) => `${topic}:${part}:${epoch}`).join();
    if (name === this.assigned) return;
    this.assigned = name;
    this.reader.assign(streams);
  }

  private async readLoop(): Promise<void> {
    const pause = new GrowingPause(this.context.clock, 1_000);
    const { signal } = this.closing;
    while (!signal.aborted) {
      try {
        const deliveries = await this.reader.read(READ_COUNT);
        // Before anything that may fail: whoever acknowledges a later one acknowledges these too.
        const byPart = Map.groupBy(deliveries, (delivery) => delivery.part);
        for (const [part, own] of byPart) this.workers.get(part)?.offer(own);
        if (deliveries.length > 0) this.assign();
        if (pause.count > 0) {
          this.context.log.info({ group: this.options.group }, "The broker is read again");
          pause.reset();
          // The broker is there, whatever becomes of it; it is done every second besides.
          await this.compare().catch(() => undefined);
        }
      } catch (error) {
        if (signal.aborted) return;
        const fields = { group: this.options.group, error: messageOf(error) };
        if (pause.count === 0) this.context.log.warn(fields, "The broker cannot be read; events come from the log");
        await pause.wait(signal);
      }
    }
  }

  private async compareLoop(): Promise<void> {
    const { clock, log } = this.context;
    const { signal } = this.closing;
    if (this.durableTopics.length === 0) return;
    while (!signal.aborted) {
      await clock.sleep(COMPARE_MS, signal);
      await this.compare().catch((error: unknown) => {
        log.warn({ group: this.options.group, error: messageOf(error) }, "The log's heads cannot be read");
      });
    }
  }

  private async compare(): Promise<void> {
    if (this.workers.size === 0 || this.durableTopics.length === 0) return;
    const { logStore } = this.context;
    const { blocking, durableTopics: topics } = this;
    const { group } = this.options;
    const [heads, standing, lanes] = await Promise.all([
      logStore.heads(topics),
      logStore.standing(group, topics),
      logStore.parking.heads({ group, topics, blocking }),
    ]);
    for (const worker of this.workers.values()) {
      worker.learn(lanes);
      worker.compare(heads, standing);
    }
  }
}
