import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { BusEvent } from "./bus.ts";
import { countOf, counts, countsByKey, noting, publishCounts, topicFor, type World } from "./bus-world.fixture.ts";
import { streamKey } from "./log-store.ts";

const KEYS = Array.from({ length: 16 }, (_, index) => `key-${index}`);

/** What every log with every broker has to do when nothing goes wrong, or only handlers do. */
export const DELIVERY_CASES: Record<string, (world: World) => Promise<void>> = {
  async "what is published reaches a subscriber"(world) {
    const { bus } = await world.join();
    const topic = topicFor("plain");
    const seen: BusEvent[] = [];
    const running = noting(world, bus, topic.name, [topic], {
      handle: async (tx, events) => {
        tx.afterCommit(() => seen.push(...events));
        await Promise.resolve();
      },
    });
    await running.ready;
    await world.db.transaction(async (tx) => {
      bus.publish(tx, [{ topic, key: "k", type: "counted", data: { n: 1 }, correlationId: "c", causationId: "d" }]);
      await Promise.resolve();
    });
    await until(() => seen.length > 0);
    expect(seen).toEqual([
      expect.objectContaining({ topic: topic.name, key: "k", type: "counted", seq: 1, data: { n: 1 } }),
    ]);
    expect(seen[0]).toMatchObject({
      partition: bus.partitionOf("k"),
      version: 1,
      correlationId: "c",
      causationId: "d",
    });
  },

  async "keys keep their order with several members and publishers"(world) {
    const members = await Promise.all(Array.from({ length: 3 }, () => world.join()));
    const topic = topicFor("order");
    for (const { bus } of members) await noting(world, bus, topic.name, [topic]).ready;
    const publishing = KEYS.map((key, index) => {
      const { bus } = members[index % members.length] ?? members[0] ?? expect.unreachable();
      return publishCounts(world, bus, topic, key, counts(1, 15));
    });
    await Promise.all(publishing);
    await until(async () => (await world.noted(topic.name)).length >= KEYS.length * 15);
    expect(await countsByKey(world, topic.name)).toEqual(Object.fromEntries(KEYS.map((key) => [key, counts(1, 15)])));
  },

  async "topics of one subscription do not leak, and each keeps its order"(world) {
    const { bus } = await world.join();
    const topics = [topicFor("one"), topicFor("two"), topicFor("three")];
    const other = topicFor("other");
    const group = topics[0]?.name ?? "";
    await noting(world, bus, group, topics).ready;
    await Promise.all(topics.map((topic) => publishCounts(world, bus, topic, topic.name, counts(1, 10))));
    await publishCounts(world, bus, other, "leak", [1]);
    await until(async () => (await world.noted(group)).length >= 30);
    const expected = Object.fromEntries(topics.map(({ name }) => [name, counts(1, 10)]));
    expect(await countsByKey(world, group)).toEqual(expected);
  },

  async "two groups each get all, and a new group reads all history"(world) {
    const { bus } = await world.join();
    const topic = topicFor("groups");
    const groups = ["early", "second", "late"].map((name) => `${name}-${topic.name}`);
    const [early = "", second = "", late = ""] = groups;
    await Promise.all([noting(world, bus, early, [topic]).ready, noting(world, bus, second, [topic]).ready]);
    await publishCounts(world, bus, topic, "k", counts(1, 20));
    noting(world, bus, late, [topic]);
    for (const group of groups) {
      await until(async () => (await world.noted(group)).length >= 20);
      expect(await countsByKey(world, group)).toEqual({ k: counts(1, 20) });
    }
  },

  async "a transaction that rolls back publishes nothing and leaves no hole"(world) {
    const { bus } = await world.join();
    const topic = topicFor("rollback");
    await noting(world, bus, topic.name, [topic]).ready;
    await publishCounts(world, bus, topic, "k", [1]);
    const failing = world.db.transaction(async (tx) => {
      bus.publish(tx, [{ topic, key: "k", type: "counted", data: { n: 99 } }]);
      await Promise.reject(new Error("rolled back"));
    });
    expect(String(await failing.catch((error: unknown) => error))).toContain("rolled back");
    await publishCounts(world, bus, topic, "k", [2]);
    await until(async () => (await world.noted(topic.name)).length >= 2);
    expect(await countsByKey(world, topic.name)).toEqual({ k: [1, 2] });
    const entries = await world.logStore.read({ topic: topic.name, part: bus.partitionOf("k") }, 0, 10);
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2]);
  },

  async "what does not fit the contract is refused at once"(world) {
    const { bus } = await world.join();
    const topic = topicFor("misfit");
    const publishing = world.db.transaction(async (tx) => {
      bus.publish(tx, [{ topic, key: "k", type: "counted", data: { n: "one" } }]);
      await Promise.resolve();
    });
    expect(await publishing.catch((error: unknown) => error)).toMatchObject({ code: "UNDECODABLE" });
    const volatile = topicFor("wrong-class", { class: "volatile" });
    expect(() => bus.subscribe({ group: "g", topics: [volatile] })).toThrow("no handler");
  },

  async "a batch whose handler throws is rolled back and comes again, whatever it threw"(world) {
    const { bus } = await world.join();
    const topic = topicFor("failing");
    const errors = [new AppError("VENUE_UNAVAILABLE", "outage", "away"), new Error("no")];
    let thrown = 0;
    const running = noting(world, bus, topic.name, [topic], {
      handle: async (tx, events) => {
        for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
        const error = errors[thrown];
        thrown += 1;
        if (error !== undefined) throw error;
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", [1, 2]);
    await until(async () => (await world.noted(topic.name)).length >= 2);
    expect(await countsByKey(world, topic.name)).toEqual({ k: [1, 2] });
    expect(thrown).toBeGreaterThanOrEqual(3);
  },

  async "a handler publishes in its transaction, and a chain of topics has one effect an event"(world) {
    const { bus } = await world.join();
    const [first, second] = [topicFor("chain-a"), topicFor("chain-b")];
    const passing = bus.subscribe({
      group: first.name,
      topics: [first],
      handle: async (tx, events) => {
        bus.publish(
          tx,
          events.map((event) => ({ topic: second, key: event.key, type: "counted", data: event.data })),
        );
        await Promise.resolve();
      },
    });
    await Promise.all([passing.ready, noting(world, bus, second.name, [second]).ready]);
    await Promise.all(["a", "b"].map((key) => publishCounts(world, bus, first, key, counts(1, 20))));
    await until(async () => (await world.noted(second.name)).length >= 40);
    expect(await countsByKey(world, second.name)).toEqual({ a: counts(1, 20), b: counts(1, 20) });
  },

  async "a group passes what does not concern it, and is handed whole batches"(world) {
    const { bus } = await world.join();
    const topic = topicFor("concerns");
    const batches: number[][] = [];
    const running = noting(world, bus, topic.name, [topic], {
      concerns: (event) => countOf(event) % 10 === 0,
      handle: async (tx, events) => {
        tx.afterCommit(() => batches.push(events.map(countOf)));
        await Promise.resolve();
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", counts(1, 25));
    const place = streamKey({ topic: topic.name, part: bus.partitionOf("k") });
    await until(async () => (await world.logStore.standing(topic.name, [topic.name])).get(place) === 25);
    const tens = batches.flat().filter((n) => n % 10 === 0);
    expect(tens).toEqual([10, 20]);
    expect(batches.every((batch) => batch.some((n) => n % 10 === 0))).toBe(true);
  },

  async "a backlog that is larger than any buffer is worked off in order"(world) {
    const { bus } = await world.join();
    const topic = topicFor("backlog");
    for (let first = 1; first <= 6_000; first += 500) {
      await world.db.transaction(async (tx) => {
        const events = counts(first, first + 499).map((n) => ({ topic, key: "k", type: "counted", data: { n } }));
        bus.publish(tx, events);
        await Promise.resolve();
      });
    }
    let last = 0;
    let disorder = 0;
    bus.subscribe({
      group: topic.name,
      topics: [topic],
      handle: async (tx, events) => {
        const ns = events.map(countOf);
        tx.afterCommit(() => {
          for (const n of ns) {
            if (n !== last + 1) disorder += 1;
            last = n;
          }
        });
        await Promise.resolve();
      },
    });
    await until(() => last >= 6_000);
    expect(disorder).toBe(0);
  },

  async "volatile events reach the group's owner, and come again when its handler fails"(world) {
    const { bus } = await world.join();
    const topic = topicFor("volatile", { class: "volatile", maxLength: 1_000 });
    const seen: number[] = [];
    let failures = 2;
    const running = bus.subscribe({
      group: topic.name,
      topics: [topic],
      handleVolatile: async (events) => {
        failures -= 1;
        if (failures >= 0) throw new AppError("DATABASE_UNAVAILABLE", "outage", "away");
        seen.push(...events.map(countOf));
        await Promise.resolve();
      },
    });
    await running.ready;
    const sending = counts(1, 50).map((n) => bus.publishVolatile([{ topic, key: "k", type: "counted", data: { n } }]));
    await Promise.all(sending);
    await until(() => seen.length >= 50);
    expect(seen).toEqual(counts(1, 50));
  },

  async "a tail gets what comes, of its keys, and all history when asked"(world) {
    const { bus } = await world.join();
    const durable = topicFor("tail");
    const volatile = topicFor("tail-volatile", { class: "volatile" });
    const seen = { all: [] as number[], now: [] as number[], volatile: [] as number[] };
    await publishCounts(world, bus, durable, "k", counts(1, 3));
    const into = (list: number[]) => (events: readonly BusEvent[]) => void list.push(...events.map(countOf));
    const tails = [
      bus.tail({ topic: durable, from: "start", handle: into(seen.all) }),
      bus.tail({ topic: durable, from: "now", handle: into(seen.now) }),
      bus.tail({ topic: volatile, from: "now", keys: () => new Set(["mine"]), handle: into(seen.volatile) }),
    ];
    await Promise.all(tails.map((tail) => tail.ready));
    await publishCounts(world, bus, durable, "k", counts(4, 6));
    await bus.publishVolatile(
      ["mine", "other", "mine"].map((key, index) => ({ topic: volatile, key, type: "counted", data: { n: index } })),
    );
    await until(() => seen.all.length >= 6 && seen.now.length >= 3 && seen.volatile.length >= 2);
    expect(seen).toEqual({ all: counts(1, 6), now: counts(4, 6), volatile: [0, 2] });
  },
};
