import { AppError } from "#shared/errors/app-error.ts";
import type { Seal } from "#shared/seal/seal.ts";
import type { Broker, Delivery } from "./broker.ts";
import type { Stream } from "./log-store.ts";

/** Entries that were not ours, as they were found. */
export interface ForgedEntries extends Stream {
  count: number;
}

/**
 * A sealed entry has no more characters. What is longer is not ours, and is dropped before anything is done with it; a durable
 * event that is longer is read from the log.
 */
export const MOST_CHARACTERS = 4 * 1024 * 1024;

/**
 * A broker whose entries are sealed for their place: topic, partition and number. An entry that does not verify is reported,
 * removed from the broker and not delivered. In a durable stream that leaves a gap at most, which is filled from the log.
 */
export function sealBroker(broker: Broker, seal: Seal, onForged: (forged: ForgedEntries) => void): Broker {
  const place = ({ topic, part, seq }: Stream & { seq: number }) => `${topic} ${part} ${seq}`;

  /** Those that are ours; `forged` says how many were not. */
  async function own(deliveries: readonly Delivery[]): Promise<{ opened: Delivery[]; forged: number }> {
    const opened: Delivery[] = [];
    const forged: Delivery[] = [];
    for (const delivery of deliveries) {
      const json = delivery.json.length > MOST_CHARACTERS ? null : seal.open(place(delivery), delivery.json);
      if (json === null) forged.push(delivery);
      else opened.push({ ...delivery, json });
    }
    if (forged.length > 0) await forget(forged);
    return { opened, forged: forged.length };
  }

  async function forget(forged: readonly Delivery[]): Promise<void> {
    for (const entries of Map.groupBy(forged, ({ topic, part }) => `${topic} ${part}`).values()) {
      const { topic, part } = entries[0] as Delivery;
      onForged({ topic, part, count: entries.length });
      // Best effort: what stays is dropped again by whoever reads it.
      await broker
        .forget(
          { topic, part },
          entries.map(({ position }) => position),
        )
        .catch(() => undefined);
    }
  }

  return {
    ...broker,
    push(entries) {
      const sealed = entries.map((entry) => ({ ...entry, json: seal.seal(place(entry), entry.json) }));
      return broker.push(sealed.filter(({ json }) => json.length <= MOST_CHARACTERS));
    },
    async pushVolatile(entries) {
      const sealed = entries.map((entry) => ({ ...entry, json: seal.seal(place({ ...entry, seq: 0 }), entry.json) }));
      const long = sealed.find(({ json }) => json.length > MOST_CHARACTERS);
      if (long === undefined) return broker.pushVolatile(sealed);
      const text = `An event of the volatile topic "${long.topic}" has more than ${MOST_CHARACTERS} characters.`;
      throw new AppError("INTERNAL", "permanent", text);
    },
    groupReader(group, member) {
      const reader = broker.groupReader(group, member);
      return {
        assign: (streams) => reader.assign(streams),
        read: async (count) => (await own(await reader.read(count))).opened,
        acknowledge: (stream, upTo) => reader.acknowledge(stream, upTo),
        close: () => reader.close(),
      };
    },
    async tailReader(streams, durable) {
      let reader = await broker.tailReader(streams, durable);
      return {
        async read(count) {
          const { opened, forged } = await own(await reader.read(count));
          if (forged > 0) {
            // The reader may stand at an entry that is forgotten, behind which nothing would come.
            await reader.close();
            reader = await broker.tailReader(streams, durable);
          }
          return opened;
        },
        close: () => reader.close(),
      };
    },
  };
}
