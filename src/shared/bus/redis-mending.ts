import type { Redis } from "ioredis";
import { brokerError, runPipeline } from "./redis-connection.ts";

/**
 * Makes a stream usable again, whatever somebody left there.
 *
 * - What is no stream goes.
 * - A stream that is too large goes before anything of it is read: an entry of hundreds of megabytes holds Redis up for
 *   seconds each time that it is looked at. So does one with too many groups; and a group with too many consumers.
 * - A last id above the last entry is set back, since it would keep every later push out. A group that stands behind it is
 *   set back too; it has had all that is left. Ids are compared by their first half, which grows with each push.
 *
 * KEYS[1] the stream. ARGV[1] how many bytes it may have, ARGV[2] how many groups, and a group consumers; further ones are ids
 * of entries to delete before. Result: the id of the last entry, 0-0 where there is none.
 */
const MEND = `
local kind = redis.call("TYPE", KEYS[1]).ok
if kind ~= "stream" or redis.call("MEMORY", "USAGE", KEYS[1], "SAMPLES", 0) > tonumber(ARGV[1]) then
  redis.call("UNLINK", KEYS[1])
  return "0-0"
end
if #ARGV > 2 then redis.call("XDEL", KEYS[1], unpack(ARGV, 3)) end
local function named(fields)
  local values = {}
  for place = 1, #fields, 2 do values[fields[place]] = fields[place + 1] end
  return values
end
local function ms(id) return tonumber(string.match(id, "^%d+")) end
local entry = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1]
local last = entry and entry[1] or "0-0"
local info = named(redis.call("XINFO", "STREAM", KEYS[1]))
if info.groups > tonumber(ARGV[2]) then
  redis.call("UNLINK", KEYS[1])
  return "0-0"
end
if ms(info["last-generated-id"]) > ms(last) then
  redis.call("XSETID", KEYS[1], last, "ENTRIESADDED", redis.call("XLEN", KEYS[1]), "MAXDELETEDID", "0-0")
end
for _, fields in ipairs(redis.call("XINFO", "GROUPS", KEYS[1])) do
  local group = named(fields)
  if group.consumers > tonumber(ARGV[2]) then redis.call("XGROUP", "DESTROY", KEYS[1], group.name)
  elseif ms(group["last-delivered-id"]) > ms(last) then redis.call("XGROUP", "SETID", KEYS[1], group.name, last) end
end
return last`;

/**
 * What a stream may take of Redis' memory, whoever filled it: somebody else, or a group that is far behind. Past it the stream
 * is made anew. What is durable is read from the log, and what is not comes again.
 */
const MOST_BYTES = 64 * 1024 * 1024;
/** Groups are a handful, and a group's consumers are the processes of a service. */
const MOST_GROUPS = 1_000;
const BOUNDS = [MOST_BYTES, MOST_GROUPS];

/** How often a reader looks at its streams, with entries or without. */
const MEND_EVERY_MS = 2_000;

/** Mends streams; gives the id of each one's last entry. Throws an AppError (outage). */
export async function mendStreams(redis: Redis, keys: readonly string[]): Promise<Map<string, string>> {
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.eval(MEND, 1, key, ...BOUNDS);
  const answers = await runPipeline(pipeline);
  return new Map(
    keys.map((key, index) => {
      const [error, last] = answers[index] ?? [null, "0-0"];
      if (error !== null) throw brokerError(error);
      return [key, String(last)];
    }),
  );
}

/** Deletes entries, and mends their stream. */
export async function forgetEntries(redis: Redis, key: string, ids: readonly string[]): Promise<void> {
  await redis.eval(MEND, 1, key, ...BOUNDS, ...ids).catch((error: unknown) => {
    throw brokerError(error);
  });
}

/** When a reader's streams are to be mended: at first, every two seconds, and after a failure. */
export class MendTimes {
  #atMs = Number.NEGATIVE_INFINITY;

  /** Whether it is time; the next time is counted from now. */
  take(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#atMs < MEND_EVERY_MS) return false;
    this.#atMs = nowMs;
    return true;
  }

  /** At the next look. */
  soon(): void {
    this.#atMs = Number.NEGATIVE_INFINITY;
  }
}

/** Whether Redis refused an entry since the stream takes none any more: it is no stream, or has had its last possible id. */
export function isSpoilt(error: Error): boolean {
  return error.message.startsWith("WRONGTYPE") || error.message.includes("exhausted the last possible ID");
}
