import type { Delivery } from "./broker.ts";

/** From so many waiting entries on a unit's streams are not read any more, until half of them are done. */
const FULL = 2_000;

/** What the broker gave for one unit and is not done yet: durable entries by topic, volatile ones in their order. */
export class Inbox {
  private readonly byTopic = new Map<string, Delivery[]>();
  private volatile: Delivery[] = [];
  private size = 0;
  private wasFull = false;

  constructor(durableTopics: readonly string[]) {
    for (const topic of durableTopics) this.byTopic.set(topic, []);
  }

  put(delivery: Delivery): void {
    this.size += 1;
    (this.byTopic.get(delivery.topic) ?? this.volatile).push(delivery);
  }

  /** Removes and gives the durable entries of a topic, by number. */
  takeDurable(topic: string): Delivery[] {
    const taken = this.byTopic.get(topic) ?? [];
    this.byTopic.set(topic, []);
    this.size -= taken.length;
    return taken.sort((left, right) => left.seq - right.seq);
  }

  takeVolatile(count: number): Delivery[] {
    const taken = this.volatile.slice(0, count);
    this.volatile = this.volatile.slice(count);
    this.size -= taken.length;
    return taken;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Whether reading should pause. */
  get isFull(): boolean {
    this.wasFull = this.size >= (this.wasFull ? FULL / 2 : FULL);
    return this.wasFull;
  }
}
