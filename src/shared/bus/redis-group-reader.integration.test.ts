import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import type { Redis } from "ioredis";
import { until } from "#shared/clock/until.fixture.ts";
import { type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import type { Assignment, Delivery } from "./broker.ts";
import { BlockingConnection } from "./redis-blocking-read.ts";
import { connect } from "./redis-connection.ts";
import { RedisGroupReader } from "./redis-group-reader.ts";

const A = { topic: "a", part: 0, durable: false, epoch: 1, doneSeq: () => 0 } satisfies Assignment;
const B = { ...A, topic: "b" } satisfies Assignment;
const GROUP = "g";

let redis: TestRedis;
let plain: Redis;
let reader: RedisGroupReader;
/** Awaited before and after each of these two commands of the reader. */
let onCommand: (name: "xautoclaim" | "client") => Promise<void>;
let onAnswer: typeof onCommand;

const keyOf = ({ topic, part }: { topic: string; part: number }) => `${redis.prefix}:{${topic}:${part}}`;
const add = (stream: Assignment, json: string) => plain.xadd(keyOf(stream), "*", "e", json);
const namesOf = (deliveries: readonly Delivery[]) => deliveries.map(({ json }) => json);
const pendingOf = async (stream: Assignment) => Number((await plain.xpending(keyOf(stream), GROUP))[0]);
/** Begins a read, and waits until the server is asked. */
async function beginToWait(): Promise<{ reading: Promise<Delivery[]> }> {
  const asked = spyOn(BlockingConnection.prototype, "read");
  const reading = reader.read(1);
  await until(() => asked.mock.calls.length > 0);
  asked.mockRestore();
  return { reading };
}

/** Reads until so many came. */
async function read(count: number): Promise<string[]> {
  const found: string[] = [];
  await until(async () => {
    found.push(...namesOf(await reader.read(100)));
    return found.length >= count;
  });
  return found;
}

beforeEach(() => {
  redis = testRedis();
  plain = connect(redis.url, 1_000);
  onCommand = () => Promise.resolve();
  onAnswer = () => Promise.resolve();
  const commands = new Proxy(plain, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "xautoclaim" && name !== "client") return value.bind(target) as unknown;
      return async (...args: unknown[]): Promise<unknown> => {
        await onCommand(name);
        const answer: unknown = await value.apply(target, args);
        await onAnswer(name);
        return answer;
      };
    },
  });
  const context = { url: redis.url, commands, deadlineMs: 1_000, blockMs: 1_800, keyOf };
  reader = new RedisGroupReader(context, GROUP, "m");
});

afterEach(async () => {
  await reader.close();
  plain.disconnect();
  await redis.cleanup();
});

test("what was claimed with an answer that was lost is not acknowledged, and comes again", async () => {
  await until(() => plain.status === "ready");
  await add(A, "a1");
  await plain.xgroup("CREATE", keyOf(A), GROUP, "0");
  await plain.call("XREADGROUP", "GROUP", GROUP, "died", "STREAMS", keyOf(A), ">");
  let fails = 1;
  onAnswer = (name) => (name === "xautoclaim" && fails-- > 0 ? Promise.reject(new Error("gone")) : Promise.resolve());
  reader.assign([A]);
  expect(String(await failureOf(reader.read(100)))).toContain("gone");
  await add(A, "a2");
  reader.acknowledge(A, `${Number.MAX_SAFE_INTEGER}-0` as Delivery["position"]);
  expect(await pendingOf(A)).toBe(1);
  expect(await read(2)).toEqual(["a1", "a2"]);
});

test("what earlier readers left comes a page at a time, each entry once", async () => {
  await until(() => plain.status === "ready");
  const names = Array.from({ length: 25 }, (_, index) => `a${index}`);
  for (const name of names) await add(A, name);
  await plain.xgroup("CREATE", keyOf(A), GROUP, "0");
  await plain.call("XREADGROUP", "GROUP", GROUP, "died", "STREAMS", keyOf(A), ">");
  reader.assign([A, B]);
  const pages: string[][] = [];
  for (let page = namesOf(await reader.read(10)); page.length > 0; page = namesOf(await reader.read(10)))
    pages.push(page);
  expect(pages.map((page) => page.length)).toEqual([10, 10, 5]);
  expect(pages.flat()).toEqual(names);
});

test("after what is large it asks for one entry at a time, and is given all", async () => {
  await until(() => plain.status === "ready");
  const streams = Array.from({ length: 6 }, (_, n): Assignment => ({ ...A, topic: `large-${n}` }));
  // Together more than Redis gives in one answer (client-output-buffer-limit), each less than a stream may have.
  const large = "x".repeat(3 * 1024 * 1024);
  for (const stream of streams) for (let n = 0; n < 18; n += 1) await add(stream, `${n} ${large}`);
  reader.assign(streams);
  const asked = spyOn(BlockingConnection.prototype, "read");
  let given = 0;
  let failures = 0;
  await until(async () => {
    const found = await reader.read(500).catch(() => {
      failures += 1;
      return [];
    });
    given += found.length;
    return given >= 6 * 18;
  });
  const counts = asked.mock.calls.map(([, args]) => args[args.indexOf("COUNT") + 1]);
  asked.mockRestore();
  expect(counts[0]).toBe(500);
  expect(failures).toBe(1);
  expect(given).toBe(6 * 18);
});

test("what comes after its stream is not read any more, as one whose inbox is full, is given all the same", async () => {
  await until(() => plain.status === "ready");
  const held = Promise.withResolvers<void>();
  reader.assign([A]);
  const { reading } = await beginToWait();
  // The end of the read comes too late.
  onCommand = (name) => (name === "client" ? held.promise : Promise.resolve());
  reader.assign([]);
  await add(A, "a1");
  expect(namesOf(await reading)).toEqual(["a1"]);
  held.resolve();
  reader.assign([A]);
  await add(A, "a2");
  expect(await read(1)).toEqual(["a2"]);
});

test("what an earlier epoch was given is claimed by the next one, which acknowledges nothing before", async () => {
  await until(() => plain.status === "ready");
  reader.assign([A]);
  await add(A, "a1");
  expect(await read(1)).toEqual(["a1"]);
  const held = Promise.withResolvers<void>();
  const { reading } = await beginToWait();
  onCommand = (name) => (name === "client" ? held.promise : Promise.resolve());
  reader.assign([{ ...A, epoch: 2 }]);
  await add(A, "a2");
  expect(namesOf(await reading)).toEqual([]);
  held.resolve();
  reader.acknowledge(A, `${Number.MAX_SAFE_INTEGER}-0` as Delivery["position"]);
  expect(await pendingOf(A)).toBe(2);
  const both = await reader.read(10);
  expect(namesOf(both)).toEqual(["a1", "a2"]);
  reader.acknowledge(A, both.at(-1)?.position ?? expect.unreachable());
  await until(async () => (await pendingOf(A)) === 0);
});

test("what is in its worker's hands is not given again where its group is made anew", async () => {
  await until(() => plain.status === "ready");
  reader.assign([A]);
  await add(A, "a1");
  expect(await read(1)).toEqual(["a1"]);
  await plain.xgroup("DESTROY", keyOf(A), GROUP);
  expect(String(await failureOf(reader.read(10)))).toContain("NOGROUP");
  await add(A, "a2");
  expect(await read(1)).toEqual(["a2"]);
});
