import type { Redis } from "ioredis";
import { AppError } from "#shared/errors/app-error.ts";
import type { Broker, VolatilePush } from "./broker.ts";
import type { Stream } from "./log-store.ts";
import { brokerError, connect, type RedisBrokerOptions, runPipeline, usable } from "./redis-connection.ts";
import { RedisGroupReader } from "./redis-group-reader.ts";
import { forgetEntries, isSpoilt } from "./redis-mending.ts";
import { openTail } from "./redis-tail-reader.ts";

/** Redis says this of an explicit id that is there already, or that has a newer one behind it. */
function isThereAlready(error: Error): boolean {
  return error.message.includes("equal or smaller");
}

/** An entry with its stream's key and what stands between that and its fields: XADD's options and its id. */
interface Addition {
  key: string;
  place: (string | number)[];
  json: string;
}

/** Adds entries. A stream that takes none any more is made anew and given them again; what it held is in the log, or comes again. */
async function addAll(redis: Redis, additions: readonly Addition[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { key, place, json } of additions) pipeline.xadd(key, ...place, "e", json);
  const spoilt: Addition[] = [];
  (await runPipeline(pipeline)).forEach(([error], at) => {
    if (error === null || isThereAlready(error)) return;
    if (!isSpoilt(error)) throw brokerError(error);
    spoilt.push(additions[at] as Addition);
  });
  if (spoilt.length === 0) return;
  const again = redis.pipeline();
  for (const key of new Set(spoilt.map(({ key }) => key))) again.unlink(key);
  for (const { key, place, json } of spoilt) again.xadd(key, ...place, "e", json);
  for (const [error] of await runPipeline(again))
    if (error !== null && !isThereAlready(error)) throw brokerError(error);
}

/**
 * Redis Streams. A durable event has the id `<seq>-0`, so that a repeated push is refused by Redis itself; such a stream
 * is never cut by length. A volatile stream has ids of Redis and about `maxLength` entries. An entry's id is its position.
 */
export function createRedisBroker(options: RedisBrokerOptions): Broker {
  const deadlineMs = options.deadlineMs ?? 1_000;
  const redis = connect(options.url, deadlineMs);
  const keyOf = ({ topic, part }: Stream): string => `${options.prefix}:${options.incarnation}:{${topic}:${part}}`;
  const context = { ...options, deadlineMs, blockMs: options.blockMs ?? 1_000, commands: redis, keyOf };
  return {
    async push(entries) {
      await usable(redis, deadlineMs);
      await addAll(
        redis,
        entries.map((entry) => ({ key: keyOf(entry), place: [`${entry.seq}-0`], json: entry.json })),
      );
    },
    async pushVolatile(entries) {
      await usable(redis, deadlineMs);
      const placeOf = ({ maxLength }: VolatilePush) => ["MAXLEN", "~", maxLength, "*"];
      await addAll(
        redis,
        entries.map((entry) => ({ key: keyOf(entry), place: placeOf(entry), json: entry.json })),
      );
    },
    groupReader: (group, member) => new RedisGroupReader(context, group, member),
    tailReader: (streams, durable) => openTail(context, streams, durable),
    forget: (stream, positions) => forgetEntries(redis, keyOf(stream), positions),
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
