import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { OwnedUnit } from "./bus.ts";
import {
  countOf,
  counts,
  countsByKey,
  expectCounts,
  type Member,
  noting,
  publishCounts,
  topicFor,
  type World,
} from "./bus-world.fixture.ts";

async function ownerOf(members: readonly Member[], units: ReadonlyMap<Member, Set<number>>, part: number) {
  const owner = (): Member | undefined => members.find((member) => units.get(member)?.has(part));
  await until(() => owner() !== undefined);
  return owner() ?? expect.unreachable();
}

/** Two members of one group that say which units they own. */
async function pair(world: World, name: string) {
  const topic = topicFor(name);
  const members = await Promise.all([world.join(), world.join()]);
  const units = new Map<Member, Set<number>>();
  const running = members.map((member) => {
    const owned = new Set<number>();
    units.set(member, owned);
    return noting(world, member.bus, topic.name, [topic], {
      onAcquired: async (unit: OwnedUnit) => void owned.add(unit.partition),
      onReleased: async (unit: OwnedUnit) => void owned.delete(unit.partition),
    });
  });
  await Promise.all(running.map(({ ready }) => ready));
  const publisher = await world.join();
  const part = publisher.bus.partitionOf("k");
  const owner = await ownerOf(members, units, part);
  const other = members.find((member) => member !== owner) ?? expect.unreachable();
  return { topic, members, units, running, publisher, part, owner, other };
}

/** What has to heal, whatever the broker, a member or a handler does. */
export const FAULT_CASES: Record<string, (world: World) => Promise<void>> = {
  async "a repeated push is a no-op"(world) {
    const member = await world.join();
    const topic = topicFor("repeated");
    member.onPush = async (entries, pass) => {
      await pass(entries);
      await pass([...entries, ...entries]);
    };
    await noting(world, member.bus, topic.name, [topic]).ready;
    await publishCounts(world, member.bus, topic, "k", counts(1, 10));
    await expectCounts(world, topic.name, { k: counts(1, 10) });
  },

  async "pushes in the wrong order heal"(world) {
    const member = await world.join();
    const topic = topicFor("disorder");
    let kept: Parameters<NonNullable<Member["onPush"]>>[0] = [];
    member.onPush = async (entries, pass) => {
      if (kept.length === 0) kept = entries;
      else {
        await pass(entries);
        await pass(kept);
        kept = [];
      }
    };
    await noting(world, member.bus, topic.name, [topic]).ready;
    await publishCounts(world, member.bus, topic, "k", counts(1, 20));
    await expectCounts(world, topic.name, { k: counts(1, 20) });
  },

  async "lost pushes heal, those in the middle and those at the end"(world) {
    const member = await world.join();
    const topic = topicFor("lost");
    await noting(world, member.bus, topic.name, [topic]).ready;
    let pushes = 0;
    member.onPush = async (entries, pass) => {
      pushes += 1;
      if (pushes % 3 === 1) await pass(entries);
    };
    await publishCounts(world, member.bus, topic, "k", counts(1, 12));
    await expectCounts(world, topic.name, { k: counts(1, 12) });
  },

  async "a tail heals too"(world) {
    const member = await world.join();
    const topic = topicFor("tail-lost");
    const seen: number[] = [];
    await member.bus.tail({ topic, from: "now", handle: (events) => void seen.push(...events.map(countOf)) }).ready;
    let pushes = 0;
    member.onPush = async (entries, pass) => {
      pushes += 1;
      if (pushes % 3 === 1) await pass(entries);
    };
    await publishCounts(world, member.bus, topic, "k", counts(1, 9));
    await world.loseStreams();
    await publishCounts(world, member.bus, topic, "k", counts(10, 12));
    await until(() => seen.length >= 12);
    expect(seen).toEqual(counts(1, 12));
  },

  async "a broker that has lost everything heals, in mid load"(world) {
    const { bus } = await world.join();
    const topic = topicFor("flushed");
    await noting(world, bus, topic.name, [topic]).ready;
    const keys = ["a", "b", "c", "d"];
    const publishing = keys.map((key) => publishCounts(world, bus, topic, key, counts(1, 60)));
    for (const share of [40, 90, 150]) {
      await until(async () => (await world.noted(topic.name)).length >= share);
      await world.loseStreams();
    }
    await Promise.all(publishing);
    await expectCounts(world, topic.name, Object.fromEntries(keys.map((key) => [key, counts(1, 60)])));
  },

  async "a group that the broker has forgotten heals"(world) {
    const { bus } = await world.join();
    const topic = topicFor("forgotten");
    await noting(world, bus, topic.name, [topic]).ready;
    await publishCounts(world, bus, topic, "k", counts(1, 5));
    await expectCounts(world, topic.name, { k: counts(1, 5) });
    await world.loseGroup(topic.name, [topic]);
    await publishCounts(world, bus, topic, "k", counts(6, 10));
    await expectCounts(world, topic.name, { k: counts(1, 10) });
  },

  async "an owner whose epoch is old commits nothing"(world) {
    const { topic, publisher, part, owner, members, units } = await pair(world, "fenced");
    await publishCounts(world, publisher.bus, topic, "k", [1]);
    await expectCounts(world, topic.name, { k: [1] });
    const gate = Promise.withResolvers<void>();
    owner.gate = gate.promise;
    await publishCounts(world, publisher.bus, topic, "k", [2, 3]);
    // The owner holds the batch before its transaction; meanwhile another epoch stands in the positions.
    await until(() => units.get(owner)?.has(part) === true);
    const unit = { group: topic.name, part, epoch: 1_000 };
    await world.db.transaction((tx) => world.logStore.take(tx, unit, [topic.name]));
    const other = members.find((member) => member !== owner) ?? expect.unreachable();
    other.gate = gate.promise;
    gate.resolve();
    await until(() => units.get(owner)?.has(part) === false);
    // It is given up as fenced, taken again with an epoch of the leader's, and only then worked: once.
    await expectCounts(world, topic.name, { k: [1, 2, 3] });
  },

  async "events come again whose position a crash of the database took back"(world) {
    const { bus } = await world.join();
    const topic = topicFor("taken-back");
    const seen: number[] = [];
    let owned: OwnedUnit | undefined;
    const running = noting(world, bus, topic.name, [topic], {
      handle: async (tx, events, unit) => {
        owned = unit;
        tx.afterCommit(() => seen.push(...events.map(countOf)));
        await Promise.resolve();
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", counts(1, 5));
    await until(() => seen.length >= 5);
    const { partition: part, epoch } = owned ?? expect.unreachable();
    await world.logStore.pass({ group: topic.name, part, epoch }, [{ topic: topic.name, before: 5, after: 3 }]);
    await until(() => seen.length >= 7);
    await publishCounts(world, bus, topic, "k", [6]);
    await until(() => seen.length >= 8);
    expect(seen).toEqual([1, 2, 3, 4, 5, 4, 5, 6]);
  },

  async "a unit is taken anew where a commit's answer was lost, and its events count once"(world) {
    const { bus } = await world.join();
    const topic = topicFor("answer-lost");
    let acquired = 0;
    let losses = 1;
    const running = noting(world, bus, topic.name, [topic], {
      onAcquired: async (unit) => void (acquired += unit.partition === bus.partitionOf("k") ? 1 : 0),
      // As a follower does that ends with its unit alone.
      onReleased: ({ signal }) =>
        new Promise((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve(), { once: true });
        }),
      handle: async (tx, events) => {
        for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
        // It has committed, and the transaction fails all the same.
        tx.afterCommit(() => {
          losses -= 1;
          if (losses >= 0) throw new AppError("DATABASE_UNAVAILABLE", "outage", "The answer was lost.");
        });
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", [1]);
    await until(() => acquired === 2);
    await publishCounts(world, bus, topic, "k", [2]);
    await expectCounts(world, topic.name, { k: [1, 2] });
  },

  async "a takeover waits for the commit in flight"(world) {
    const { bus } = await world.join();
    const topic = topicFor("in-flight");
    const [inside, goOn] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()];
    const running = noting(world, bus, topic.name, [topic], {
      handle: async (tx, events, unit) => {
        for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
        inside.resolve(unit.partition);
        await goOn.promise;
      },
    });
    await running.ready;
    await publishCounts(world, bus, topic, "k", [1]);
    const part = await inside.promise;
    const taking = world.db.transaction((tx) =>
      world.logStore.take(tx, { group: topic.name, part, epoch: 1_000 }, [topic.name]),
    );
    goOn.resolve();
    expect(await taking).toMatchObject([{ topic: topic.name, seq: 1 }]);
    expect(await countsByKey(world, topic.name)).toEqual({ k: [1] });
  },

  async "a subscription that is closed hands its units over"(world) {
    const { topic, members, running, publisher, owner } = await pair(world, "closed");
    await publishCounts(world, publisher.bus, topic, "k", counts(1, 5));
    const publishing = publishCounts(world, publisher.bus, topic, "k", counts(6, 40));
    await running[members.indexOf(owner)]?.close();
    await publishing;
    await expectCounts(world, topic.name, { k: counts(1, 40) });
  },

  async "a member that is killed is replaced after its lease"(world) {
    const { topic, publisher, part, owner, other, units } = await pair(world, "killed");
    await publishCounts(world, publisher.bus, topic, "k", counts(1, 5));
    const publishing = publishCounts(world, publisher.bus, topic, "k", counts(6, 20));
    await owner.kill();
    await publishing;
    await publishCounts(world, publisher.bus, topic, "k", counts(21, 40));
    await expectCounts(world, topic.name, { k: counts(1, 40) });
    expect(units.get(other)?.has(part)).toBe(true);
  },

  async "order and effects hold while members come and go"(world) {
    const topic = topicFor("churn");
    const publisher = await world.join();
    const stayer = await world.join();
    await noting(world, stayer.bus, topic.name, [topic]).ready;
    const keys = Array.from({ length: 8 }, (_, index) => `k${index}`);
    const publishing = keys.map((key) => publishCounts(world, publisher.bus, topic, key, counts(1, 60)));
    for (let round = 0; round < 3; round += 1) {
      const guest = await world.join();
      await noting(world, guest.bus, topic.name, [topic]).ready;
      await publishCounts(world, publisher.bus, topic, `round${round}`, counts(1, 5));
      await guest.close();
    }
    await Promise.all(publishing);
    await expectCounts(world, topic.name, {
      ...Object.fromEntries(keys.map((key) => [key, counts(1, 60)])),
      ...Object.fromEntries([0, 1, 2].map((round) => [`round${round}`, counts(1, 5)])),
    });
  },

  async "closing at once, and while events come, neither hangs nor loses"(world) {
    const topic = topicFor("closing");
    const [publisher, first, second] = await Promise.all([world.join(), world.join(), world.join()]);
    noting(world, first.bus, topic.name, [topic]);
    const running = noting(world, second.bus, topic.name, [topic]);
    const publishing = publishCounts(world, publisher.bus, topic, "k", counts(1, 20));
    await Promise.all([first.close(), running.close(), running.close()]);
    await publishing;
    await noting(world, publisher.bus, topic.name, [topic]).ready;
    await expectCounts(world, topic.name, { k: counts(1, 20) });
  },
};
