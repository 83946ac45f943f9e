import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Assignment, Broker, Delivery, GroupReader } from "./broker.ts";
import { createMemoryBroker } from "./memory-broker.ts";
import { createRedisBroker } from "./redis-broker.ts";

const ORDERS = { topic: "orders", part: 1 };
const QUOTES = { topic: "quotes", part: 1 };

let redis: TestRedis;
let broker: Broker;
let readers: GroupReader[];

const makers: [string, () => Broker][] = [
  ["memory", () => createMemoryBroker(systemClock)],
  ["Redis", () => createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation: "i", blockMs: 50 })],
];

/** A new owner of one stream. */
function ownerOf(group: string, stream: Partial<Assignment>): GroupReader {
  const reader = broker.groupReader(group, `member-${readers.length}`);
  reader.assign([{ ...QUOTES, durable: false, epoch: readers.length + 1, doneSeq: () => 0, ...stream }]);
  readers.push(reader);
  return reader;
}

/** The first so many entries that a reader is given. */
async function read(reader: GroupReader, count: number): Promise<Delivery[]> {
  const found: Delivery[] = [];
  await until(async () => {
    found.push(...(await reader.read(100)));
    return found.length >= count;
  });
  return found;
}

async function quote(...names: readonly string[]): Promise<void> {
  await broker.pushVolatile(names.map((json) => ({ ...QUOTES, json, maxLength: 100 })));
}

const namesOf = (deliveries: readonly Delivery[]) => deliveries.map(({ json }) => json);

describe.each(makers)("the broker in %s", (_name, make) => {
  beforeEach(() => {
    redis = testRedis();
    readers = [];
    broker = make();
  });
  afterEach(async () => {
    for (const reader of readers) await reader.close();
    await broker.close();
    await redis.cleanup();
  });

  test("gives the next owner of a volatile stream what lies behind the position that was acknowledged", async () => {
    await quote("a", "b", "c", "d", "e");
    const first = ownerOf("g", {});
    const [, , third = expect.unreachable()] = await read(first, 5);
    first.acknowledge(QUOTES, third.position);
    const second = ownerOf("g", {});
    await quote("f");
    const given = await read(second, 3);
    expect(namesOf(given)).toEqual(["d", "e", "f"]);
    second.acknowledge(QUOTES, given.at(-1)?.position ?? expect.unreachable());
    const last = ownerOf("g", {});
    await quote("g");
    expect(namesOf(await read(last, 1))).toEqual(["g"]);
  });

  test("takes an acknowledgement while its reader does not read the stream, as one whose inbox was full", async () => {
    await quote("a", "b", "c");
    const first = ownerOf("g", {});
    const given = await read(first, 3);
    first.assign([]);
    first.acknowledge(QUOTES, given.at(-1)?.position ?? expect.unreachable());
    const second = ownerOf("g", {});
    await quote("d");
    expect(namesOf(await read(second, 1))).toEqual(["d"]);
  });

  test("gives an owner of a durable stream what lies behind the number that its group has done", async () => {
    await broker.push([1, 2, 3, 4].map((seq) => ({ ...ORDERS, seq, json: `${seq}` })));
    const first = ownerOf("g", { ...ORDERS, durable: true });
    const given = await read(first, 4);
    expect(given.map(({ seq, json }) => [seq, json])).toEqual([1, 2, 3, 4].map((seq) => [seq, `${seq}`]));
    first.acknowledge(ORDERS, given.at(-1)?.position ?? expect.unreachable());
    const second = ownerOf("g", { ...ORDERS, durable: true, doneSeq: () => 2 });
    expect((await read(second, 2)).map(({ seq }) => seq)).toEqual([3, 4]);
  });

  test("forgets nothing but what it was told to forget, and groups do not share positions", async () => {
    await quote("a", "b", "c");
    const first = ownerOf("g", {});
    const [, second = expect.unreachable(), third = expect.unreachable()] = await read(first, 3);
    first.acknowledge(QUOTES, third.position);
    await broker.forget(QUOTES, [second.position]);
    // The port lets a broker keep it.
    await quote("d");
    const other = ownerOf("other", {});
    const given: string[] = [];
    await until(async () => {
      given.push(...namesOf(await other.read(100)));
      return given.includes("d");
    });
    expect(given.filter((name) => name !== "b")).toEqual(["a", "c", "d"]);
  });
});
