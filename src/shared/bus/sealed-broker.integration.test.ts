import { afterEach, beforeEach, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import type { Broker, Delivery, GroupReader } from "./broker.ts";
import { SEAL } from "./bus-world.fixture.ts";
import { createRedisBroker } from "./redis-broker.ts";
import { type ForgedEntries, MOST_CHARACTERS, sealBroker } from "./sealed-broker.ts";

const STREAM = { topic: "orders", part: 1 };
const QUOTES = { topic: "quotes", part: 1 };
/** Above every id there can be. */
const HIGHEST = "18446744073709551615-18446744073709551615";

let place: TestRedis;
let redis: Redis;
let broker: Broker;
let forged: ForgedEntries[];
let reader: GroupReader;

beforeEach(() => {
  place = testRedis();
  redis = new Redis(place.url);
  forged = [];
  const plain = createRedisBroker({ url: place.url, prefix: place.prefix, incarnation: "i", blockMs: 50 });
  broker = sealBroker(plain, SEAL, (entries) => void forged.push(entries));
  reader = broker.groupReader("group", "member");
  reader.assign([
    { ...STREAM, durable: true, epoch: 1, doneSeq: () => 0 },
    { ...QUOTES, durable: false, epoch: 1, doneSeq: () => 0 },
  ]);
});
afterEach(async () => {
  await reader.close();
  await broker.close();
  redis.disconnect();
  await place.cleanup();
});

const keyOf = ({ topic, part }: { topic: string; part: number }) => `${place.prefix}:i:{${topic}:${part}}`;
const forge = (stream: typeof STREAM, id: string, json: string) => redis.xadd(keyOf(stream), id, "e", json);

async function readAll(from: Pick<GroupReader, "read">, count: number): Promise<Delivery[]> {
  const found: Delivery[] = [];
  await until(async () => {
    found.push(...(await from.read(100)));
    return found.length >= count;
  });
  return found;
}

test("an entry that somebody else wrote under the next number is dropped and told, and keeps nobody's place", async () => {
  await broker.push([{ ...STREAM, seq: 1, json: "one" }]);
  await forge(STREAM, "2-0", '{"type":"order.filled"}');
  expect((await readAll(reader, 1)).map(({ json }) => json)).toEqual(["one"]);
  await until(async () => forged.length > 0 || (await reader.read(100)).length > 0);
  await broker.push([{ ...STREAM, seq: 2, json: "two" }]);
  expect((await readAll(reader, 1)).map(({ seq, json }) => [seq, json])).toEqual([[2, "two"]]);
  expect(forged).toEqual([{ ...STREAM, count: 1 }]);
});

test.each([["9000-0"], [HIGHEST]])(
  "an entry under the id %s keeps neither later entries out nor readers away",
  async (id) => {
    const tail = await broker.tailReader([STREAM], true);
    await broker.push([{ ...STREAM, seq: 1, json: "one" }]);
    expect((await readAll(reader, 1)).map(({ seq }) => seq)).toEqual([1]);
    expect((await readAll(tail, 1)).map(({ seq }) => seq)).toEqual([1]);
    await forge(STREAM, id, "x".repeat(40));
    await until(async () => {
      await Promise.all([reader.read(100), tail.read(100)]);
      return forged.length >= 1 && (await redis.xlen(keyOf(STREAM))) === 1;
    });
    await tail.read(100);
    await broker.push([{ ...STREAM, seq: 2, json: "two" }]);
    expect((await readAll(reader, 1)).map(({ seq, json }) => [seq, json])).toEqual([[2, "two"]]);
    expect((await readAll(tail, 1)).map(({ seq, json }) => [seq, json])).toEqual([[2, "two"]]);
    await tail.close();
  },
);

test("a true entry that was moved to another place, or written again there, is not one", async () => {
  await broker.push([{ ...STREAM, seq: 1, json: "one" }]);
  const [[, fields] = ["", []]] = await redis.xrange(keyOf(STREAM), "-", "+");
  await redis.xadd(keyOf(STREAM), "2-0", ...(fields as string[]));
  await redis.xadd(keyOf(QUOTES), "*", ...(fields as string[]));
  await until(async () => {
    const found = await reader.read(100);
    expect(found.every(({ seq, json }) => seq === 1 && json === "one")).toBe(true);
    return forged.length === 2;
  });
});

test("a volatile stream goes on after an id that nothing can come after", async () => {
  await broker.pushVolatile([{ ...QUOTES, json: "one", maxLength: 10 }]);
  expect((await readAll(reader, 1)).map(({ json }) => json)).toEqual(["one"]);
  await forge(QUOTES, HIGHEST, "a lie of more than twenty-two characters");
  await until(async () => {
    await reader.read(100);
    return forged.length > 0;
  });
  await broker.pushVolatile([{ ...QUOTES, json: "two", maxLength: 10 }]);
  expect((await readAll(reader, 1)).map(({ json }) => json)).toEqual(["two"]);
});

test("an entry above the most there may be is dropped before it is looked at, and none of ours is that long", async () => {
  let opened = 0;
  const seal = { ...SEAL, open: (at: string, text: string) => ((opened += 1), SEAL.open(at, text)) };
  const plain = createRedisBroker({ url: place.url, prefix: place.prefix, incarnation: "i", blockMs: 50 });
  const counting = sealBroker(plain, seal, (entries) => void forged.push(entries));
  const own = counting.groupReader("own", "member");
  own.assign([{ ...STREAM, durable: true, epoch: 1, doneSeq: () => 0 }]);
  await forge(STREAM, "1-0", "x".repeat(MOST_CHARACTERS + 100));
  await until(async () => {
    await own.read(100);
    return forged.length > 0 && (await redis.xlen(keyOf(STREAM))) === 0;
  });
  expect(opened).toBe(0);
  await counting.push([
    { ...STREAM, seq: 1, json: "y".repeat(MOST_CHARACTERS + 1) },
    { ...STREAM, seq: 2, json: "two" },
  ]);
  expect((await readAll(own, 1)).map(({ seq }) => seq)).toEqual([2]);
  const quote = { ...QUOTES, json: "y".repeat(MOST_CHARACTERS + 1), maxLength: 10 };
  const refused = await counting.pushVolatile([quote]).catch((error: unknown) => error);
  expect(hasCode(refused, "INTERNAL")).toBe(true);
  await own.close();
  await counting.close();
});
