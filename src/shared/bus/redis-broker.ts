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
 * Deletes entries, and where they were the last ones of their stream sets its last id back: an id far above all numbers would
 * keep every later push out. A group that has read them is set back with it; it has had all that is left.
 *
 * KEYS[1] the stream, ARGV the ids. Result: nothing.
 */
const FORGET = `
redis.call("XDEL", KEYS[1], unpack(ARGV))
local entry = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1]
local last = entry and entry[1] or "0-0"
redis.call("XSETID", KEYS[1], last, "ENTRIESADDED", redis.call("XLEN", KEYS[1]), "MAXDELETEDID", "0-0")
local function ms(id) return tonumber(string.match(id, "^%d+")) end
for _, fields in ipairs(redis.call("XINFO", "GROUPS", KEYS[1])) do
  local group = {}
  for place = 1, #fields, 2 do group[fields[place]] = fields[place + 1] end
  if ms(group["last-delivered-id"]) > ms(last) then redis.call("XGROUP", "SETID", KEYS[1], group.name, last) end
end`;

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
    tailReader: (streams, durable) => openTail(context, streams, durable),
    async forget(stream, ids) {
      await redis.eval(FORGET, 1, keyOf(stream), ...ids).catch((error: unknown) => {
        throw brokerError(error);
      });
    },
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
