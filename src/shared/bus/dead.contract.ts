import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { storable } from "#shared/errors/storable-text.ts";
import type { Bus, Topic } from "./bus.ts";
import {
  counts,
  deadOf,
  expectCounts,
  keysOfOnePart,
  parkedOf,
  poisoned,
  publishCounts,
  topicFor,
  type World,
} from "./bus-world.fixture.ts";

/** A topic with an event that is dead at once, n = 2 of the key `bad`, and another key of its partition. */
async function withDead(world: World, name: string, over: Partial<Topic> = {}) {
  const { bus } = await world.join();
  const topic = topicFor(name, over);
  const [bad = "", good = ""] = keysOfOnePart(bus, 2);
  const poison = poisoned(world, bus, topic, [`${bad}/2`]);
  poison.error = new AppError("INTERNAL", "permanent", "It can not be.");
  await poison.running.ready;
  await publishCounts(world, bus, topic, bad, counts(1, 4));
  await publishCounts(world, bus, topic, good, [1]);
  const [dead] = await deadOf(world, topic, 1);
  return { bus, topic, bad, good, poison, dead: dead ?? expect.unreachable() };
}

/** An event that is dead by an error with this text. */
function deadWith(text: string) {
  return async (world: World): Promise<void> => {
    const told: string[] = [];
    const { bus } = await world.join({ onDead: async (_tx, { error }) => void told.push(error) });
    const topic = topicFor("odd-text");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    poison.error = new AppError("INTERNAL", "permanent", text);
    await publishCounts(world, bus, topic, "k", [1]);
    const [dead] = await deadOf(world, topic, 1);
    expect(told).toEqual([dead?.error ?? ""]);
    expect(dead?.error).toBe(storable(text));
    expect(dead?.error?.isWellFormed()).toBe(true);
  };
}

/** Appends what does not fit the contract, as an older or newer version of it would. */
async function appendUndecodable(world: World, bus: Bus, topic: Topic, key: string): Promise<void> {
  const json = `{"id":"x","source":"s","type":"unheard-of","key":"${key}","timeMs":1,"version":9,"data":{"n":1}}`;
  const stream = { topic: topic.name, part: bus.partitionOf(key) };
  const entries = [{ key, type: "unheard-of", version: 9, json }];
  await world.db.transaction((tx) => world.logStore.append(tx, [{ ...stream, entries }]));
}

/** What is dead, and what a person makes of it. */
export const DEAD_CASES: Record<string, (world: World) => Promise<void>> = {
  async "a permanent error makes an event dead at once, and a topic that blocks holds its key"(world) {
    const { topic, bad, good, dead } = await withDead(world, "block");
    await expectCounts(world, topic.name, { [bad]: [1], [good]: [1] });
    expect(dead).toMatchObject({ seq: 2, tries: 1, error: "It can not be.", key: bad });
    await until(async () => (await parkedOf(world, topic)).length === 3);
    expect(await world.logStore.parking.find(topic.name, dead.id)).toMatchObject({ waiting: 2 });
  },

  "an error whose text no row takes still makes its event dead: half a pair": deadWith("bad \ud800 \0"),
  "an error whose text no row takes still makes its event dead: a pair cut in two": deadWith(
    `${"x".repeat(1_999)}\u{1f600}`,
  ),

  async "a topic that skips lets a key go on behind a dead event"(world) {
    const { topic, bad, good, dead } = await withDead(world, "skip", { onDead: "skip" });
    await expectCounts(world, topic.name, { [bad]: [1, 3, 4], [good]: [1] });
    expect((await parkedOf(world, topic)).map(({ id }) => id)).toEqual([dead.id]);
  },

  async "of a large batch with two bad events only these two are found bad"(world) {
    // What fails once is dead here: an event that was blamed for another one would stay so.
    const { bus } = await world.join({ deadAfterTries: 1 });
    const topic = topicFor("halved");
    const keys = keysOfOnePart(bus, 100);
    const bad = [keys[17], keys[61]];
    await world.db.transaction(async (tx) => {
      bus.publish(
        tx,
        keys.map((key) => ({ topic, key, type: "counted", data: { n: 1 } })),
      );
      await Promise.resolve();
    });
    const poison = poisoned(
      world,
      bus,
      topic,
      bad.map((key) => `${key}/1`),
    );
    const good = keys.filter((key) => !bad.includes(key));
    await expectCounts(world, topic.name, Object.fromEntries(good.map((key) => [key, [1]])));
    expect((await deadOf(world, topic, 2)).map(({ key }) => key)).toEqual(bad as string[]);
    expect(poison.tries).toBeLessThan(2 * Math.log2(keys.length) + 4);
  },

  async "an event that fails again and again is dead after so many tries"(world) {
    const { bus } = await world.join({ deadAfterTries: 3 });
    const topic = topicFor("tries");
    poisoned(world, bus, topic, ["k/1"]);
    await publishCounts(world, bus, topic, "k", [1, 2]);
    const [dead] = await deadOf(world, topic, 1);
    expect(dead).toMatchObject({ seq: 1, tries: 3, error: "poison" });
    expect(await world.noted(topic.name)).toEqual([]);
  },

  async "what can not be decoded is dead at once with its raw bytes, and holds its key alone"(world) {
    const { bus } = await world.join();
    const topic = topicFor("undecodable");
    const [bad = "", good = ""] = keysOfOnePart(bus, 2);
    await publishCounts(world, bus, topic, bad, [1]);
    await appendUndecodable(world, bus, topic, bad);
    await publishCounts(world, bus, topic, bad, [2]);
    await publishCounts(world, bus, topic, good, [1]);
    poisoned(world, bus, topic, []);
    await expectCounts(world, topic.name, { [bad]: [1], [good]: [1] });
    const [dead] = await deadOf(world, topic, 1);
    expect(dead).toMatchObject({ seq: 2, key: bad, tries: 1 });
    expect(JSON.parse(dead?.raw ?? "")).toMatchObject({ type: "unheard-of", version: 9, data: { n: 1 } });
    expect((await parkedOf(world, topic)).map(({ seq, state }) => [seq, state])).toEqual([
      [2, "dead"],
      [3, "parked"],
    ]);
  },

  async "what can not be decoded and waits behind a parked event is dead too, in its place"(world) {
    const { bus } = await world.join();
    const topic = topicFor("undecodable-behind");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    await publishCounts(world, bus, topic, "k", [1]);
    await until(async () => (await parkedOf(world, topic)).length === 1);
    await appendUndecodable(world, bus, topic, "k");
    await publishCounts(world, bus, topic, "k", [2]);
    const [dead] = await deadOf(world, topic, 1);
    await until(async () => (await parkedOf(world, topic)).length === 3);
    poison.mend();
    await expectCounts(world, topic.name, { k: [1] });
    await until(async () => (await parkedOf(world, topic)).length === 2);
    await world.db.transaction((tx) => bus.parking.discard(tx, topic.name, dead?.id ?? ""));
    await expectCounts(world, topic.name, { k: [1, 2] });
  },

  async "redriven, an event and those behind it come in order"(world) {
    const { bus, topic, bad, good, poison, dead } = await withDead(world, "redriven");
    poison.mend();
    const redriven = await world.db.transaction((tx) => bus.parking.redrive(tx, topic.name, dead.id));
    expect(redriven?.id).toBe(dead.id);
    await publishCounts(world, bus, topic, bad, [5]);
    await expectCounts(world, topic.name, { [bad]: counts(1, 5), [good]: [1] });
    expect(await parkedOf(world, topic)).toEqual([]);
    expect(await world.db.transaction((tx) => bus.parking.redrive(tx, topic.name, dead.id))).toBeNull();
  },

  async "redriven without a mend, an event is dead again and holds its key"(world) {
    const { bus, topic, bad, good, poison, dead } = await withDead(world, "dead-again");
    const before = poison.tries;
    await world.db.transaction((tx) => bus.parking.redrive(tx, topic.name, dead.id));
    await until(() => poison.tries > before);
    await deadOf(world, topic, 1);
    await expectCounts(world, topic.name, { [bad]: [1], [good]: [1] });
  },

  async "discarded, the rest of its lane comes in order"(world) {
    const { bus, topic, bad, good, dead } = await withDead(world, "discarded");
    await world.db.transaction((tx) => bus.parking.discard(tx, topic.name, dead.id));
    await publishCounts(world, bus, topic, bad, [5]);
    await expectCounts(world, topic.name, { [bad]: [1, 3, 4, 5], [good]: [1] });
    expect(await parkedOf(world, topic)).toEqual([]);
    expect(await world.db.transaction((tx) => bus.parking.discard(tx, topic.name, dead.id))).toBeNull();
  },

  async "a dead event that was skipped is handled once it is redriven"(world) {
    const { bus, topic, bad, good, poison, dead } = await withDead(world, "skipped", { onDead: "skip" });
    await expectCounts(world, topic.name, { [bad]: [1, 3, 4], [good]: [1] });
    poison.mend();
    await world.db.transaction((tx) => bus.parking.redrive(tx, topic.name, dead.id));
    await expectCounts(world, topic.name, { [bad]: [1, 3, 4, 2], [good]: [1] });
    expect(await parkedOf(world, topic)).toEqual([]);
  },

  async "a list goes by the time of parking, and from a cursor on also where its event has gone"(world) {
    const { parking } = world.logStore;
    const group = topicFor("listed").name;
    const unit = { group, part: 0, epoch: 1 };
    // Not in the order of their numbers.
    for (const seq of [5, 3, 4, 1, 2]) {
      const entry = { topic: group, key: `${seq}`, seq, json: "{}", tries: 1, error: "no", delayMs: 0 };
      await world.db.transaction((tx) => parking.park(tx, unit, [{ ...entry, state: "dead" }]));
    }
    const all = await parking.list({ group }, null, 10);
    const byTime = all.toSorted((a, b) => a.parkedAtMs - b.parkedAtMs || (a.id < b.id ? -1 : 1));
    expect(all.map(({ seq }) => seq)).toEqual(byTime.map(({ seq }) => seq));
    const [, second = expect.unreachable(), ...rest] = all;
    const page = () => parking.list({ group }, [second.parkedAtMs, second.id], 2);
    expect(await page()).toEqual(rest.slice(0, 2));
    await world.db.transaction((tx) => parking.discard(tx, group, second.id));
    expect(await page()).toEqual(rest.slice(0, 2));
  },

  async "only what is dead is redriven or discarded"(world) {
    const { bus } = await world.join();
    const topic = topicFor("only-dead");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    await publishCounts(world, bus, topic, "k", [1]);
    const [parked] = await until(async () => {
      const found = await parkedOf(world, topic);
      return found.length > 0 && found;
    });
    for (const act of ["redrive", "discard"] as const) {
      expect(await world.db.transaction((tx) => bus.parking[act](tx, topic.name, parked?.id ?? ""))).toBeNull();
    }
    poison.mend();
    await expectCounts(world, topic.name, { k: [1] });
  },

  async "who wants to know of a dead event is told once, in the transaction that it dies in"(world) {
    const told: string[] = [];
    const { bus } = await world.join({
      onDead: async (tx, { topic, key, seq, error }) => {
        tx.afterCommit(() => told.push(`${topic.onDead} ${key}/${seq}: ${error}`));
      },
    });
    const topic = topicFor("told");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    poison.error = new AppError("INTERNAL", "permanent", "It can not be.");
    await publishCounts(world, bus, topic, "k", [1, 2]);
    await deadOf(world, topic, 1);
    expect(told).toEqual(["block k/1: It can not be."]);
  },
};
