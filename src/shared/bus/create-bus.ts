import type { Bus, Running } from "./bus.ts";
import { partitionOf } from "./murmur2.ts";
import { OwnedUnits } from "./owned-units.ts";
import { Publisher } from "./publisher.ts";
import { trimStreams } from "./retention.ts";
import { type BusContext, Subscription } from "./subscription.ts";
import { Tail } from "./tail.ts";
import type { PoisonOptions } from "./unit-place.ts";

/** Half a minute of growing pauses, then eleven minutes of pauses of half a minute. */
const DEAD_AFTER_TRIES = 30;
const DEADLINE_MS = 10_000;

export interface BusOptions extends Omit<BusContext, "partitions" | "poison">, Partial<PoisonOptions> {
  /** Partitions of every topic. The same in all processes of a database. Default 8. */
  partitions?: number;
}

/**
 * The bus over a log and a broker. Exactly-once effects come from the log's positions; the broker only makes it fast.
 * Closing it closes what runs on it, the broker included; the database and the leader are the caller's.
 */
export function createBus(options: BusOptions): Bus {
  const { deadAfterTries = DEAD_AFTER_TRIES, deadlineMs = DEADLINE_MS, onDead } = options;
  const poison = { deadAfterTries, deadlineMs, onDead };
  const context: BusContext = { ...options, partitions: options.partitions ?? 8, poison };
  const publisher = new Publisher(context);
  const running = new Set<Running>();
  const closing = new AbortController();
  let trimming: Promise<void> | undefined;

  const keep = (part: Running): Running => {
    running.add(part);
    return {
      ready: part.ready,
      close: async () => {
        await part.close();
        running.delete(part);
      },
    };
  };

  return {
    partitions: context.partitions,
    parking: context.logStore.parking,
    partitionOf: (key) => partitionOf(key, context.partitions),
    publish: (tx, events) => publisher.publish(tx, events),
    publishVolatile: (events) => publisher.publishVolatile(events),
    subscribe(subscribeOptions) {
      trimming ??= trimStreams(context, closing.signal);
      return keep(new Subscription(context, subscribeOptions));
    },
    own: (ownOptions) => keep(new OwnedUnits(context, ownOptions)),
    lag: () => context.logStore.lag(),
    tail: (tailOptions) => keep(new Tail(context, tailOptions)),
    ping: () => context.broker.ping(),
    async close() {
      closing.abort();
      await Promise.all([...running].map((part) => part.close()));
      await Promise.all([publisher.close(), trimming]);
      await context.broker.close();
    },
  };
}
