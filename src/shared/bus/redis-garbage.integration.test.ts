import { afterEach, beforeEach, describe, test } from "bun:test";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Broker, Delivery } from "./broker.ts";
import { SEAL } from "./bus-world.fixture.ts";
import { createRedisBroker } from "./redis-broker.ts";
import { sealBroker } from "./sealed-broker.ts";

const STREAM = { topic: "candles", part: 1 };
const GROUP = "group";
/** Above every id there can be, and the last but one. */
const HIGHEST = "18446744073709551615-18446744073709551615";
const LAST_BUT_ONE = "18446744073709551615-18446744073709551614";

let place: TestRedis;
let redis: Redis;
let broker: Broker;
let key: string;

beforeEach(() => {
  place = testRedis();
  redis = new Redis(place.url);
  const plain = createRedisBroker({ url: place.url, prefix: place.prefix, incarnation: "i", blockMs: 50 });
  broker = sealBroker(plain, SEAL, () => undefined);
  key = `${place.prefix}:i:{${STREAM.topic}:${STREAM.part}}`;
});
afterEach(async () => {
  await broker.close();
  redis.disconnect();
  await place.cleanup();
});

/** Whatever a hand with Redis' password may leave where a stream should be. */
const GARBAGE: [string, () => Promise<unknown>][] = [
  ["an entry under the last id but one", () => redis.xadd(key, LAST_BUT_ONE, "e", "x")],
  ["a last id above all others", () => redis.call("XSETID", key, HIGHEST)],
  ["a text", () => redis.set(key, "garbage")],
  ["a list", () => redis.multi().del(key).rpush(key, "garbage").exec()],
  ["a group that stands behind all entries", () => redis.xgroup("SETID", key, GROUP, HIGHEST).catch(() => null)],
  ["nothing", () => redis.del(key)],
  [
    "groups without number",
    () =>
      redis.eval(`for n = 1, 20000 do redis.call("XGROUP", "CREATE", KEYS[1], "g" .. n, "$", "MKSTREAM") end`, 1, key),
  ],
  [
    "consumers without number",
    () =>
      redis.eval(
        `redis.pcall("XGROUP", "CREATE", KEYS[1], ARGV[1], "0", "MKSTREAM")
        for n = 1, 20000 do redis.call("XGROUP", "CREATECONSUMER", KEYS[1], ARGV[1], "c" .. n) end`,
        1,
        key,
        GROUP,
      ),
  ],
  ["an entry without our field", () => redis.xadd(key, "*", "", "")],
];

describe.each([
  ["durable", true],
  ["volatile", false],
])("a %s stream goes on for groups and tails after somebody has left there", (_class, durable) => {
  let seq = 0;

  /** As its publisher does it: a failure is no more than a lost entry. */
  async function send(json: string): Promise<void> {
    seq += 1;
    const pushed = durable
      ? broker.push([{ ...STREAM, seq, json }])
      : broker.pushVolatile([{ ...STREAM, json, maxLength: 100 }]);
    await pushed.catch(() => undefined);
  }

  async function openReaders() {
    const group = broker.groupReader(GROUP, "member");
    group.assign([{ ...STREAM, durable, epoch: 1, doneSeq: () => 0 }]);
    const tail = await until(() => broker.tailReader([STREAM], durable).catch(() => null));
    return [group, tail];
  }

  /** What is sent again and again under new names reaches every reader. */
  async function reaches(readers: { read(count: number): Promise<Delivery[]> }[], name: string): Promise<void> {
    await Promise.all(
      readers.map((reader) =>
        until(async () => {
          await send(name);
          const found = await reader.read(100).catch(() => []);
          return found.some(({ json }) => json === name);
        }),
      ),
    );
  }

  test.each(GARBAGE)("%s", async (_name, leave) => {
    seq = 0;
    const readers = await openReaders();
    await reaches(readers, "before");
    await leave();
    // Publishers do not wait for readers: a true entry may take the last id there is.
    await send("between");
    await reaches(readers, "after");
    await until(async () => {
      await Promise.all(readers.map((reader) => reader.read(100).catch(() => [])));
      // Made anew, it is away for a moment.
      const groups = (await redis.xinfo("GROUPS", key).catch(() => null)) as unknown[][] | null;
      const consumers = (await redis.xinfo("CONSUMERS", key, GROUP).catch(() => null)) as unknown[][] | null;
      return groups !== null && consumers !== null && Math.max(groups.length, consumers.length) < 10;
    });
    for (const reader of readers) await reader.close();
  });

  test("something of another type before anyone reads", async () => {
    seq = 0;
    await redis.set(key, "garbage");
    const readers = await openReaders();
    await reaches(readers, "after");
    for (const reader of readers) await reader.close();
  });
});
