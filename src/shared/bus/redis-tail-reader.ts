import type { BrokerPosition, TailReader } from "./broker.ts";
import type { Stream } from "./log-store.ts";
import { BlockingConnection, ReadSize, type RedisContext } from "./redis-blocking-read.ts";
import { brokerError, isBelow, partsOf, seqOf, usable } from "./redis-connection.ts";
import { MendTimes, mendStreams } from "./redis-mending.ts";

/** Reads with XREAD from the present end of each stream on. */
export async function openTail(
  context: RedisContext,
  streams: readonly Stream[],
  durable: boolean,
): Promise<TailReader> {
  const byKey = new Map(streams.map((stream) => [context.keyOf(stream), stream]));
  const connection = new BlockingConnection(context);
  await usable(context.commands, context.deadlineMs);
  const lasts = await mendStreams(context.commands, [...byKey.keys()]);
  const times = new MendTimes();
  const size = new ReadSize();
  let generation = 0;

  /** A stream that was lost, or made anew, begins below the last id that we saw. */
  const rewind = async (): Promise<void> => {
    if (!times.take() && generation === connection.generation) return;
    const present = await mendStreams(context.commands, [...byKey.keys()]);
    for (const [key, id] of present) if (isBelow(partsOf(id), partsOf(lasts.get(key) ?? "0-0"))) lasts.set(key, "0-0");
    generation = connection.generation;
  };

  return {
    async read(count) {
      try {
        await connection.open();
        await rewind();
        const answer = await connection.read("XREAD", [
          "COUNT",
          size.of(count),
          "BLOCK",
          context.blockMs,
          "STREAMS",
          ...lasts.keys(),
          ...lasts.values(),
        ]);
        size.took(answer.flatMap(([, entries]) => entries));
        return answer.flatMap(([key, entries]) => {
          const last = entries.at(-1);
          if (last !== undefined) lasts.set(key, last[0]);
          const stream = byKey.get(key);
          if (stream === undefined) return [];
          return entries.map(([id, fields]) => ({
            ...stream,
            position: id as BrokerPosition,
            seq: durable ? seqOf(id) : 0,
            json: fields?.[1] ?? "",
          }));
        });
      } catch (error) {
        times.soon();
        size.failed();
        throw brokerError(error);
      }
    },
    close() {
      connection.close();
      return Promise.resolve();
    },
  };
}
