import { afterEach, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import { countOf, counts, countsByKey, noting, publishCounts, topicFor } from "./bus-world.fixture.ts";
import { createRedisWorld } from "./redis-world.fixture.ts";

type RedisWorld = Awaited<ReturnType<typeof createRedisWorld>>;

const worlds: RedisWorld[] = [];

async function worldOf(options?: Parameters<typeof createRedisWorld>[0]): Promise<RedisWorld> {
  const world = await createRedisWorld(options);
  worlds.push(world);
  return world;
}

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("the bus over Postgres and Redis, in trouble", () => {
  test("a body that was frozen in its transaction writes nothing when it wakes up", async () => {
    const world = await worldOf({ idleTimeoutMs: 300 });
    const { bus } = await world.join({ deadlineMs: 1_000 });
    const [topic, echo] = [topicFor("frozen"), topicFor("echo")];
    const [frozen, woken] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
    let calls = 0;
    const running = noting(world, bus, topic.name, [topic], {
      handle: async (tx, events) => {
        calls += 1;
        if (calls === 1) {
          await frozen.promise;
          bus.publish(tx, [{ topic: echo, key: "k", type: "counted", data: { n: 99 } }]);
          woken.resolve(await thrownBy(world.note(tx, { group: topic.name, key: "late", n: 99 })));
          return;
        }
        for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", [1, 2]);
    // The server ends the frozen transaction, and the batch is worked by another one.
    await until(async () => (await world.noted(topic.name)).length >= 2);
    frozen.resolve();
    expect(hasCode(await woken.promise, "TRANSACTION_ENDED")).toBe(true);
    expect(await countsByKey(world, topic.name)).toEqual({ k: [1, 2] });
    expect(await world.logStore.heads([echo.name])).toEqual(new Map());
  });

  test("what another consumer of the group was handed is read from the log", async () => {
    const world = await worldOf();
    const { bus } = await world.join();
    const topic = topicFor("stolen");
    await noting(world, bus, topic.name, [topic]).ready;
    const key = world.keyOf(topic.name, bus.partitionOf("k"));
    let stealing = true;
    const thief = (async () => {
      while (stealing) {
        const args = ["GROUP", topic.name, "zombie", "COUNT", 1, "STREAMS", key, ">"];
        await world.redis.call("XREADGROUP", ...args).catch(() => undefined);
      }
    })();
    await publishCounts(world, bus, topic, "k", counts(1, 30));
    await until(async () => (await world.noted(topic.name)).length >= 30);
    stealing = false;
    await thief;
    expect(await countsByKey(world, topic.name)).toEqual({ k: counts(1, 30) });
  });

  test("a volatile group keeps no consumer of earlier owners, and loses nothing of theirs", async () => {
    const world = await worldOf();
    const topic = topicFor("earlier", { class: "volatile", maxLength: 1_000 });
    const { bus: publisher } = await world.join();
    const key = world.keyOf(topic.name, publisher.partitionOf("k"));
    const send = (n: number) => publisher.publishVolatile([{ topic, key: "k", type: "counted", data: { n } }]);
    await send(1);
    await world.redis.xgroup("CREATE", key, topic.name, "0");
    for (const name of ["idle-1", "idle-2"]) await world.redis.xgroup("CREATECONSUMER", key, topic.name, name);
    await world.redis.call("XREADGROUP", "GROUP", topic.name, "died", "COUNT", 1, "STREAMS", key, ">");
    const seen: number[] = [];
    const { bus } = await world.join();
    bus.subscribe({
      group: topic.name,
      topics: [topic],
      handleVolatile: async (events) => {
        seen.push(...events.map(countOf));
        await Promise.resolve();
      },
    });
    await until(() => seen.includes(1));
    await send(2);
    await until(() => seen.includes(2));
    const consumers = (await world.redis.xinfo("CONSUMERS", key, topic.name)) as unknown[][];
    expect(consumers).toHaveLength(1);
    expect(seen).toEqual([1, 2]);
  });

  test("events come from the log while Redis cannot be reached", async () => {
    const world = await worldOf({ redisUrl: "redis://127.0.0.1:1" });
    const { bus } = await world.join();
    const topic = topicFor("away");
    await noting(world, bus, topic.name, [topic]).ready;
    await publishCounts(world, bus, topic, "k", counts(1, 5));
    await until(async () => (await world.noted(topic.name)).length >= 5);
    expect(await countsByKey(world, topic.name)).toEqual({ k: counts(1, 5) });
    expect(hasCode(await thrownBy(bus.ping()), "BROKER_UNAVAILABLE")).toBe(true);
    const volatile = topicFor("away-volatile", { class: "volatile" });
    const event = { topic: volatile, key: "k", type: "counted", data: { n: 1 } };
    expect(hasCode(await thrownBy(bus.publishVolatile([event])), "BROKER_UNAVAILABLE")).toBe(true);
  });

  test("the stream's ids are the log's numbers, and what is done is acknowledged", async () => {
    const world = await worldOf();
    const { bus } = await world.join();
    const topic = topicFor("ids");
    await noting(world, bus, topic.name, [topic]).ready;
    await publishCounts(world, bus, topic, "k", counts(1, 5));
    await until(async () => (await world.noted(topic.name)).length >= 5);
    const key = world.keyOf(topic.name, bus.partitionOf("k"));
    await until(async () => (await world.redis.xpending(key, topic.name))[0] === 0);
    const entries = await world.redis.xrange(key, "-", "+");
    expect(entries.map(([id]) => id)).toEqual(counts(1, 5).map((seq) => `${seq}-0`));
  });

  test("an owner that takes over removes what was handed to earlier ones", async () => {
    const world = await worldOf();
    const first = await world.join();
    const topic = topicFor("earlier");
    const key = world.keyOf(topic.name, first.bus.partitionOf("k"));
    await world.redis.xgroup("CREATE", key, topic.name, "0", "MKSTREAM");
    await publishCounts(world, first.bus, topic, "k", counts(1, 3));
    await until(async () => (await world.redis.xlen(key)) === 3);
    await world.redis.call("XREADGROUP", "GROUP", topic.name, "gone", "COUNT", 10, "STREAMS", key, ">");
    await noting(world, first.bus, topic.name, [topic]).ready;
    await until(async () => (await world.noted(topic.name)).length >= 3);
    await until(async () => (await world.redis.xpending(key, topic.name))[0] === 0);
    expect(await countsByKey(world, topic.name)).toEqual({ k: [1, 2, 3] });
  });
});
