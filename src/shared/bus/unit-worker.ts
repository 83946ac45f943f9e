import { isOverdue } from "#shared/db/transact-within.ts";
import { fenced, hasCode } from "#shared/errors/app-error.ts";
import { readBatch, type TopicBatch } from "./batch-item.ts";
import { BatchWork } from "./batch-work.ts";
import type { Assignment, BrokerPosition, Delivery, GroupReader } from "./broker.ts";
import type { BusEvent, OwnedUnit, Topic } from "./bus.ts";
import { decode } from "./envelope.ts";
import { endsWithin } from "./handler-deadline.ts";
import { Inbox } from "./inbox.ts";
import { LaneRetry } from "./lane-retry.ts";
import { type StoredEntry, streamKey, type TakenPosition } from "./log-store.ts";
import { ParkedLanes } from "./parked-lanes.ts";
import type { LaneHead } from "./parking.ts";
import { GrowingPause, isCountedOn, passesByItself } from "./pause.ts";
import { type UnitPlace, unitEpochOf } from "./unit-place.ts";
import { UnitPositions } from "./unit-positions.ts";

/** Events of one transaction at most. */
const BATCH = 500;
/** How often volatile events are tried that fail by their content. */
const VOLATILE_TRIES = 3;

export interface UnitWorkerOptions
  extends Pick<UnitPlace, "db" | "logStore" | "clock" | "log" | "subscription" | "poison"> {
  /** Told when the unit's inbox became full, or has room again. */
  onFlow: () => void;
}

/** What a unit's owner begins with, as the takeover's transaction saw it. */
export interface TakenUnit {
  positions: readonly TakenPosition[];
  /** The lanes that hold keys back. */
  heads: readonly LaneHead[];
}

/** What is committed together, and what the broker may be told then. */
interface CollectedBatch extends TopicBatch {
  /** Of the last delivery that the batch makes done; undefined: the broker delivered none of it. */
  upTo: BrokerPosition | undefined;
}

/**
 * Works one owned unit: hands its events to the handler, batch by batch, each in one transaction with the position.
 * The three reading rules: what is below the position is skipped; a hole is read from the log; when the log's head is
 * ahead though nothing comes, the rest is read from the log. Events that fail wait in lanes, which it tries again.
 */
export class UnitWorker {
  readonly inbox: Inbox;
  private readonly place: UnitPlace;
  private readonly positions = new UnitPositions();
  /** Up to where the events of a topic are handled one by one. */
  private readonly careful: ReadonlyMap<string, number>;
  private readonly lanes = new ParkedLanes();
  private readonly batches: BatchWork;
  private readonly retry: LaneRetry;
  private readonly behind = new Set<string>();
  private readonly durable: readonly Topic[];
  private readonly byName: ReadonlyMap<string, Topic>;
  private wake = Promise.withResolvers<void>();
  private working = false;
  /** The database may have other positions than are known here. */
  private inDoubt = false;

  constructor(
    private readonly options: UnitWorkerOptions,
    private readonly unit: OwnedUnit,
    taken: TakenUnit,
    private readonly reader: GroupReader,
  ) {
    this.place = { ...options, unit, positions: this.positions, lanes: this.lanes };
    this.batches = new BatchWork(this.place);
    this.retry = new LaneRetry(this.place);
    const { topics } = options.subscription;
    this.byName = new Map(topics.map((topic) => [topic.name, topic]));
    // Sorted: the order in which all transactions lock positions.
    this.durable = topics.filter((topic) => topic.class === "durable").sort((a, b) => (a.name < b.name ? -1 : 1));
    this.inbox = new Inbox(this.durable.map((topic) => topic.name));
    this.positions.learn(taken.positions);
    this.careful = new Map(taken.positions.map(({ topic, careful }) => [topic, careful]));
    this.lanes.learn(taken.heads, options.clock.monotonicMs());
  }

  /** The streams that the broker is to deliver for this unit. */
  assignments(): Assignment[] {
    return this.options.subscription.topics.map((topic) => ({
      topic: topic.name,
      part: this.unit.partition,
      durable: topic.class === "durable",
      epoch: this.unit.epoch,
      doneSeq: () => this.positions.of(topic.name),
    }));
  }

  offer(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.inbox.put(delivery);
    this.wake.resolve();
  }

  /** What the rows say of the group's lanes; of those of this unit it takes note. */
  learn(heads: readonly LaneHead[]): void {
    const nowMs = this.options.clock.monotonicMs();
    this.lanes.learn(
      heads.filter(({ part }) => part === this.unit.partition),
      nowMs,
    );
    if (this.lanes.nextDueAtMs <= nowMs) this.wake.resolve();
  }

  /**
   * The log's heads, and where the group stands there. Counts only while nothing is under way: then the broker has nothing
   * more to give, and what the database has behind what is known here was taken back by a crash.
   */
  compare(heads: ReadonlyMap<string, number>, standing: ReadonlyMap<string, number>): void {
    if (this.working || !this.inbox.isEmpty) return;
    for (const { name } of this.durable) {
      const place = streamKey({ topic: name, part: this.unit.partition });
      if ((heads.get(place) ?? 0) > this.positions.of(name)) this.behind.add(name);
      if ((standing.get(place) ?? 0) < this.positions.storedOf(name)) this.inDoubt = true;
    }
    if (this.behind.size > 0 || this.inDoubt) this.wake.resolve();
  }

  /**
   * Works until the unit's signal aborts. Throws FENCED when there is another owner. Ends by itself after a commit that went
   * through but whose answer was lost: what is kept in memory has missed those events, and is made anew.
   */
  async run(): Promise<void> {
    const pause = new GrowingPause(this.options.clock);
    const { signal } = this.unit;
    signal.addEventListener("abort", () => this.wake.resolve(), { once: true });
    // What the log has already need not wait for the broker.
    this.suspectHoles();
    while (!signal.aborted) {
      this.working = true;
      try {
        if (this.inDoubt && !(await this.readPositions())) return;
        await this.step(pause);
        pause.reset();
      } catch (error) {
        // Its handler may go on: whoever has the unit next is not this epoch.
        if (isOverdue(error)) throw error;
        this.report(error, pause.count);
        // Said when the positions were read: they are another owner's.
        if (hasCode(error, "FENCED") && this.inDoubt) throw error;
        // The commit's outcome may be unknown, and what was taken from the inbox is gone: the log has both.
        this.inDoubt = true;
        await pause.wait(signal);
      }
      this.working = false;
      this.options.onFlow();
      if (this.inbox.isEmpty && this.behind.size === 0 && !this.inDoubt && !signal.aborted) await this.rest();
    }
  }

  /** Waits for something to do: what comes, or a lane that is due, or what was passed and has to be stored. */
  private async rest(): Promise<void> {
    const dueAtMs = Math.min(this.lanes.nextDueAtMs, this.batches.passDueAtMs);
    const dueInMs = dueAtMs - this.options.clock.monotonicMs();
    if (dueInMs === Number.POSITIVE_INFINITY) await this.wake.promise;
    else if (dueInMs > 0) {
      const woken = new AbortController();
      await Promise.race([this.wake.promise, this.options.clock.sleep(dueInMs, woken.signal)]);
      woken.abort();
    }
    this.wake = Promise.withResolvers();
  }

  private async step(pause: GrowingPause): Promise<void> {
    const { lingerMs = 0 } = this.options.subscription;
    if (lingerMs > 0 && !this.inbox.isEmpty) await this.options.clock.sleep(lingerMs, this.unit.signal);
    const batch = await this.collect();
    if (batch.length > 0) await this.commit(batch);
    await this.batches.storePassed();
    const lane = this.lanes.due(this.options.clock.monotonicMs());
    if (lane !== undefined) await this.retry.again(lane);
    const volatile = this.inbox.takeVolatile(BATCH);
    if (volatile.length > 0) await this.handleVolatile(volatile, pause);
  }

  /** The next entries of each topic, without a hole from the position on. */
  private async collect(): Promise<CollectedBatch[]> {
    const batches: CollectedBatch[] = [];
    const careful = this.durable.find(({ name }) => this.positions.of(name) < (this.careful.get(name) ?? 0));
    let room = careful === undefined ? BATCH : 1;
    for (const topic of careful === undefined ? this.durable : [careful]) {
      if (room === 0) break;
      const position = this.positions.of(topic.name);
      const waiting = this.inbox.takeDurable(topic.name);
      const old = waiting.filter(({ seq }) => seq <= position);
      this.acknowledge(topic.name, old.at(-1)?.position);
      let entries: readonly StoredEntry[] = contiguous(waiting, position).slice(0, room);
      const isHoled = waiting.length > old.length;
      if (entries.length === 0 && (isHoled || this.behind.has(topic.name))) {
        entries = await this.fromLog(topic, position, room);
      }
      const last = entries.at(-1)?.seq;
      if (last === undefined) continue;
      for (const delivery of waiting) if (delivery.seq > last) this.inbox.put(delivery);
      batches.push({ topic, entries, upTo: waiting.findLast(({ seq }) => seq <= last)?.position });
      room -= entries.length;
    }
    return batches;
  }

  private async fromLog(topic: Topic, position: number, limit: number): Promise<readonly StoredEntry[]> {
    const stream = { topic: topic.name, part: this.unit.partition };
    const entries = await this.options.logStore.read(stream, position, limit);
    if (entries.length < limit) this.behind.delete(topic.name);
    return entries;
  }

  private async commit(batches: readonly CollectedBatch[]): Promise<void> {
    const items = await readBatch(this.options.logStore, this.unit.partition, batches);
    await this.batches.commit(items);
    for (const { topic, upTo } of batches) this.acknowledge(topic.name, upTo);
  }

  private async handleVolatile(deliveries: readonly Delivery[], pause: GrowingPause): Promise<void> {
    const events = this.decodeAll(deliveries);
    for (let tries = 1; events.length > 0; tries += 1) {
      try {
        await endsWithin(this.place, this.options.subscription.handleVolatile?.(events, this.unit));
        break;
      } catch (error) {
        if (isOverdue(error)) throw error;
        this.report(error, tries);
        // Not acknowledged: the next owner gets them.
        if (this.unit.signal.aborted) return;
        // By its content and for good: it is lost, said so, and the stream goes on.
        if (!passesByItself(error) && tries >= VOLATILE_TRIES) break;
        await pause.wait(this.unit.signal);
      }
    }
    // In the broker's order: the last one of a topic stands for those before it.
    const lasts = new Map(deliveries.map(({ topic, position }) => [topic, position]));
    for (const [topic, position] of lasts) this.acknowledge(topic, position);
  }

  private decodeAll(deliveries: readonly Delivery[]): BusEvent[] {
    return deliveries.flatMap((delivery) => {
      const topic = this.byName.get(delivery.topic);
      if (topic === undefined) return [];
      try {
        return [decode(topic, delivery.part, delivery)];
      } catch (error) {
        this.report(error, VOLATILE_TRIES);
        return [];
      }
    });
  }

  /** Nothing to say of what came from the log alone. */
  private acknowledge(topic: string, upTo: BrokerPosition | undefined): void {
    if (upTo !== undefined) this.reader.acknowledge({ topic, part: this.unit.partition }, upTo);
  }

  private suspectHoles(): void {
    for (const { name } of this.durable) this.behind.add(name);
  }

  /**
   * Reads the positions anew, and then what the log has behind them. FENCED when they are of another owner; false when one
   * is further than what was done here.
   */
  private async readPositions(): Promise<boolean> {
    const { group, partition: part, epoch, role } = this.unit;
    const names = this.durable.map((topic) => topic.name);
    const positions = await this.options.logStore.positions(unitEpochOf(this.place), names);
    if (positions === undefined) throw fenced(role);
    if (positions.some(({ topic, seq }) => seq > this.positions.storedOf(topic))) {
      this.options.log.warn({ group, partition: part, epoch }, "A commit's answer was lost; the unit is taken anew");
      return false;
    }
    this.positions.learn(positions);
    this.suspectHoles();
    this.inDoubt = false;
    return true;
  }

  private report(error: unknown, tries: number): void {
    const { group, partition, epoch } = this.unit;
    const fields = { group, partition, epoch, tries, err: error };
    if (isCountedOn(error)) this.options.log.warn(fields, "Events of a unit are tried again");
    else this.options.log.error(fields, "Events of a unit fail");
  }
}

/** Those that follow the position one by one; repeated ones once. */
function contiguous(sorted: readonly Delivery[], position: number): Delivery[] {
  const run: Delivery[] = [];
  let next = position + 1;
  for (const delivery of sorted) {
    if (delivery.seq < next) continue;
    if (delivery.seq > next) break;
    run.push(delivery);
    next += 1;
  }
  return run;
}
