import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Bus, BusEvent, Topic } from "./bus.ts";
import {
  countOf,
  counts,
  countsByKey,
  expectCounts,
  keysOfOnePart,
  noting,
  parkedOf,
  poisoned,
  publishCounts,
  topicFor,
  type World,
} from "./bus-world.fixture.ts";

/** Publishes in one transaction, so that it all comes as one batch. */
async function publishBatch(world: World, bus: Bus, topic: Topic, events: readonly (readonly [string, number])[]) {
  await world.db.transaction(async (tx) => {
    bus.publish(
      tx,
      events.map(([key, n]) => ({ topic, key, type: "counted", data: { n } })),
    );
    await Promise.resolve();
  });
}

/** A batch of 3 events of each of 3 keys of one partition, whose first event of `bad` fails at this place of it. */
function batchWith(place: "first" | "middle" | "last", [bad = "", ...others]: readonly string[]) {
  const good = others.flatMap((key) => counts(1, 3).map((n) => [key, n] as const));
  const poison = [bad, 1] as const;
  if (place === "first") return [poison, ...good];
  return place === "last" ? [...good, poison] : [...good.slice(0, 3), poison, ...good.slice(3)];
}

function poisonAt(place: "first" | "middle" | "last") {
  return async (world: World): Promise<void> => {
    const { bus } = await world.join();
    const topic = topicFor("poison");
    const keys = keysOfOnePart(bus, 3);
    const [bad = "", left = "", right = ""] = keys;
    const poison = poisoned(world, bus, topic, [`${bad}/1`]);
    await publishBatch(world, bus, topic, batchWith(place, keys));
    await publishCounts(world, bus, topic, bad, [2, 3]);
    await publishCounts(world, bus, topic, right, [4]);
    await expectCounts(world, topic.name, { [left]: counts(1, 3), [right]: counts(1, 4) });
    await until(async () => (await parkedOf(world, topic)).length === 3);
    poison.mend();
    await expectCounts(world, topic.name, { [left]: counts(1, 3), [right]: counts(1, 4), [bad]: counts(1, 3) });
    expect(await parkedOf(world, topic)).toEqual([]);
  };
}

/** What has to hold when an event can not be handled: it stops itself and its key alone. */
export const POISON_CASES: Record<string, (world: World) => Promise<void>> = {
  "poison that comes first in a batch parks only its key": poisonAt("first"),
  "poison in the middle of a batch parks only its key": poisonAt("middle"),
  "poison that comes last in a batch parks only its key": poisonAt("last"),

  async "what a failed batch published and hooked to its commit is undone with it"(world) {
    const { bus } = await world.join();
    const [topic, echo] = [topicFor("undone"), topicFor("echo")];
    const [bad = "", good = ""] = keysOfOnePart(bus, 2);
    const hooked: string[] = [];
    const poison = poisoned(world, bus, topic, [`${bad}/1`], (tx, events) => {
      bus.publish(
        tx,
        events.map(({ key, data }) => ({ topic: echo, key, type: "counted", data })),
      );
      tx.afterCommit(() => hooked.push(...events.map((event) => `${event.key}/${countOf(event)}`)));
    });
    noting(world, bus, echo.name, [echo]);
    await publishBatch(world, bus, topic, [...counts(1, 5).map((n) => [good, n] as const), [bad, 1], [good, 6]]);
    await expectCounts(world, echo.name, { [good]: counts(1, 6) });
    poison.mend();
    await expectCounts(world, echo.name, { [good]: counts(1, 6), [bad]: [1] });
    expect(hooked).toEqual([...counts(1, 6).map((n) => `${good}/${n}`), `${bad}/1`]);
  },

  async "a transient error is tried again at once, and parks nothing"(world) {
    // What fails twice would be dead.
    const { bus } = await world.join({ deadAfterTries: 1 });
    const topic = topicFor("transient");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    poison.error = new AppError("CONFLICT", "transient", "Not yet.");
    poison.mendAfter = 3;
    await publishBatch(world, bus, topic, [["k", 1]]);
    await expectCounts(world, topic.name, { k: [1] });
    expect(await parkedOf(world, topic)).toEqual([]);
    expect(poison.tries).toBe(3);
  },

  async "a transient error that stays parks its event, with how often it failed"(world) {
    const { bus } = await world.join();
    const topic = topicFor("stays");
    const [bad = "", good = ""] = keysOfOnePart(bus, 2);
    const poison = poisoned(world, bus, topic, [`${bad}/1`]);
    poison.error = new AppError("CONFLICT", "transient", "Never.");
    await publishBatch(world, bus, topic, [
      [bad, 1],
      [good, 1],
    ]);
    await expectCounts(world, topic.name, { [good]: [1] });
    const parked = await until(async () => (await parkedOf(world, topic)).find(({ tries }) => tries >= 2));
    expect(parked).toMatchObject({ key: bad, seq: 1, error: "Never." });
  },

  async "an outage parks nothing: the unit waits, and all comes once"(world) {
    const { bus } = await world.join();
    const topic = topicFor("outage");
    const [bad = "", good = ""] = keysOfOnePart(bus, 2);
    const poison = poisoned(world, bus, topic, [`${bad}/1`]);
    poison.error = new AppError("DATABASE_UNAVAILABLE", "outage", "away");
    await publishBatch(world, bus, topic, [
      [good, 1],
      [bad, 1],
      [good, 2],
    ]);
    await until(() => poison.tries >= 5);
    expect(await parkedOf(world, topic)).toEqual([]);
    expect(await world.noted(topic.name)).toEqual([]);
    poison.mend();
    await expectCounts(world, topic.name, { [bad]: [1], [good]: [1, 2] });
    expect(await parkedOf(world, topic)).toEqual([]);
  },

  async "an outage counts as no try of an event in a lane, nor of those behind it"(world) {
    const { bus } = await world.join({ deadAfterTries: 3 });
    const topic = topicFor("lane-outage");
    const poison = poisoned(world, bus, topic, ["k/1"]);
    await publishCounts(world, bus, topic, "k", counts(1, 3));
    await until(async () => (await parkedOf(world, topic)).length === 3);
    poison.error = new AppError("DATABASE_UNAVAILABLE", "outage", "away");
    const [before] = await parkedOf(world, topic);
    const { tries } = poison;
    await until(() => poison.tries >= tries + 5);
    const parked = await parkedOf(world, topic);
    expect(parked.map(({ seq, state }) => [seq, state])).toEqual(counts(1, 3).map((seq) => [seq, "parked"]));
    expect(parked[0]?.tries).toBeLessThan(3);
    expect(before?.error).toBe("poison");
    expect(parked.map(({ error }) => error)).toEqual(["poison", null, null]);
    poison.mend();
    await expectCounts(world, topic.name, { k: counts(1, 3) });
  },

  async "a parked lane keeps its order while more of its key comes, and while it is worked off"(world) {
    const { bus } = await world.join();
    const topic = topicFor("lane");
    const poison = poisoned(world, bus, topic, ["k/1", "k/7"]);
    await publishCounts(world, bus, topic, "k", counts(1, 10));
    await until(async () => (await parkedOf(world, topic)).length === 10);
    const publishing = publishCounts(world, bus, topic, "k", counts(11, 60));
    poison.mend("k/1");
    await until(async () => (await world.noted(topic.name)).length === 6);
    await publishing;
    expect(await countsByKey(world, topic.name)).toEqual({ k: counts(1, 6) });
    poison.mend();
    await expectCounts(world, topic.name, { k: counts(1, 60) });
  },

  async "an event that does not concern the group does not wait behind a parked one"(world) {
    const { bus } = await world.join();
    const topic = topicFor("unconcerned");
    const concerns = (event: BusEvent) => countOf(event) !== 2;
    const poison = poisoned(world, bus, topic, ["k/1"], undefined, { concerns });
    await publishCounts(world, bus, topic, "k", counts(1, 3));
    await until(async () => (await parkedOf(world, topic)).length === 2);
    poison.mend();
    await expectCounts(world, topic.name, { k: [1, 3] });
  },

  async "a new owner goes on with parked lanes"(world) {
    const topic = topicFor("taken-over");
    const [first, second] = await Promise.all([world.join(), world.join()]);
    const [bad = "", good = ""] = keysOfOnePart(first.bus, 2);
    const before = poisoned(world, first.bus, topic, [`${bad}/1`]);
    await before.running.ready;
    await publishCounts(world, first.bus, topic, bad, counts(1, 3));
    await until(async () => (await parkedOf(world, topic)).length === 3);
    await first.kill();
    const after = poisoned(world, second.bus, topic, [`${bad}/1`]);
    await publishCounts(world, second.bus, topic, bad, [4, 5]);
    await publishCounts(world, second.bus, topic, good, [1]);
    await expectCounts(world, topic.name, { [good]: [1] });
    expect((await parkedOf(world, topic)).map(({ seq }) => seq)).toEqual(counts(1, 5));
    after.mend();
    await expectCounts(world, topic.name, { [good]: [1], [bad]: counts(1, 5) });
  },

  async "owners that are killed while they work lanes off double nothing"(world) {
    const topic = topicFor("killed-in-lane");
    const publisher = await world.join();
    const keys = keysOfOnePart(publisher.bus, 4);
    const first = await world.join();
    const poison = poisoned(
      world,
      first.bus,
      topic,
      keys.map((key) => `${key}/1`),
    );
    await poison.running.ready;
    for (const key of keys) await publishCounts(world, publisher.bus, topic, key, counts(1, 15));
    await until(async () => (await parkedOf(world, topic)).length === 60);
    poison.mend();
    await until(async () => (await world.noted(topic.name)).length > 0);
    await first.kill();
    const second = await world.join();
    noting(world, second.bus, topic.name, [topic]);
    await expectCounts(world, topic.name, Object.fromEntries(keys.map((key) => [key, counts(1, 15)])));
    expect(await parkedOf(world, topic)).toEqual([]);
  },

  async "an owner whose epoch is old works no lane"(world) {
    const topic = topicFor("lane-fenced");
    const owner = await world.join();
    const part = owner.bus.partitionOf("k");
    let atRelease: number | undefined;
    const poison = poisoned(world, owner.bus, topic, ["k/1"], undefined, {
      onReleased: async ({ partition }) => {
        if (partition === part) atRelease ??= (await world.noted(topic.name)).length;
      },
    });
    await poison.running.ready;
    await publishCounts(world, owner.bus, topic, "k", [1, 2]);
    await until(async () => (await parkedOf(world, topic)).length === 2);
    const gate = Promise.withResolvers<void>();
    owner.gate = gate.promise;
    // What is under way yet has the position's lock, or meets the new epoch.
    await world.db.transaction((tx) =>
      world.logStore.take(tx, { group: topic.name, part, epoch: 1_000 }, [topic.name]),
    );
    poison.mend();
    owner.gate = undefined;
    gate.resolve();
    await until(async () => atRelease !== undefined || (await world.noted(topic.name)).length > 0);
    expect(atRelease).toBe(0);
    await expectCounts(world, topic.name, { k: [1, 2] });
  },

  async "garbage from the broker in place of an event is read from the log, and parks nothing"(world) {
    const member = await world.join();
    const topic = topicFor("garbage");
    await noting(world, member.bus, topic.name, [topic]).ready;
    member.onPush = (entries, pass) => pass(entries.map((entry) => ({ ...entry, json: "{ garbage" })));
    await publishCounts(world, member.bus, topic, "k", counts(1, 5));
    await expectCounts(world, topic.name, { k: counts(1, 5) });
    expect(await parkedOf(world, topic)).toEqual([]);
  },
};
