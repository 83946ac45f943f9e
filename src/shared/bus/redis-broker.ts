import { AppError } from "#shared/errors/app-error.ts";
import type { Broker } from "./broker.ts";
import type { Stream } from "./log-store.ts";
import { brokerError, connect, type RedisBrokerOptions, runPipeline, usable } from "./redis-connection.ts";
import { RedisGroupReader } from "./redis-group-reader.ts";
import { openTail } from "./redis-tail-reader.ts";

/** Redis says this of an explicit id that is there already, or that has a newer one behind it. */
function isThereAlready(error: Error): boolean {
  return error.message.includes("equal or smaller");
}

/**
 * Redis Streams. A durable event has the id `<seq>-0`, so that a repeated push is refused by Redis itself; such a stream
 * is never cut by length. A volatile stream has ids of Redis and about `maxLength` entries.
 */
export function createRedisBroker(options: RedisBrokerOptions): Broker {
  const deadlineMs = options.deadlineMs ?? 1_000;
  const redis = connect(options.url, deadlineMs);
  const keyOf = ({ topic, part }: Stream): string => `${options.prefix}:${options.incarnation}:{${topic}:${part}}`;
  const context = { ...options, deadlineMs, blockMs: options.blockMs ?? 1_000, commands: redis, keyOf };
  return {
    async push(entries) {
      await usable(redis, deadlineMs);
      const pipeline = redis.pipeline();
      for (const entry of entries) pipeline.xadd(keyOf(entry), `${entry.seq}-0`, "e", entry.json);
      for (const [error] of await runPipeline(pipeline)) {
        if (error !== null && !isThereAlready(error)) throw brokerError(error);
      }
    },
    async pushVolatile(entries) {
      await usable(redis, deadlineMs);
      const pipeline = redis.pipeline();
      for (const entry of entries) {
        pipeline.xadd(keyOf(entry), "MAXLEN", "~", entry.maxLength, "*", "e", entry.json);
      }
      for (const [error] of await runPipeline(pipeline)) if (error !== null) throw brokerError(error);
    },
    groupReader: (group, member) => new RedisGroupReader(context, group, member),
    tailReader: (streams) => openTail(context, streams),
    async trim(stream, seq) {
      await redis.xtrim(keyOf(stream), "MINID", "~", `${seq + 1}-0`).catch((error: unknown) => {
        throw brokerError(error);
      });
    },
    async ping() {
      await usable(redis, deadlineMs);
      const answer = await redis.ping().catch((error: unknown) => {
        throw brokerError(error);
      });
      if (answer !== "PONG") throw new AppError("BROKER_UNAVAILABLE", "outage", "The broker did not answer a ping.");
    },
    close() {
      redis.disconnect();
      return Promise.resolve();
    },
  };
}
