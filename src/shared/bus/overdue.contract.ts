import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { Tx } from "#shared/db/db.ts";
import {
  countOf,
  counts,
  countsByKey,
  deadOf,
  expectCounts,
  keysOfOnePart,
  noting,
  parkedOf,
  publishCounts,
  topicFor,
  type World,
} from "./bus-world.fixture.ts";

/** An event whose handler does not end, in a batch with good ones and worked by two members. */
function neverEnds(hang: (world: World, tx: Tx) => Promise<void>) {
  return async (world: World): Promise<void> => {
    const topic = topicFor("endless");
    const members = await Promise.all([world.join({ deadlineMs: 500 }), world.join({ deadlineMs: 500 })]);
    const [{ bus }] = members;
    const [bad = "", good = ""] = keysOfOnePart(bus, 2);
    await world.db.transaction(async (tx) => {
      const events = [...counts(1, 3).map((n) => [good, n] as const), [bad, 1] as const, [good, 4] as const];
      bus.publish(
        tx,
        events.map(([key, n]) => ({ topic, key, type: "counted", data: { n } })),
      );
      await Promise.resolve();
    });
    for (const member of members) {
      noting(world, member.bus, topic.name, [topic], {
        handle: async (tx, events) => {
          if (events.some(({ key }) => key === bad)) await hang(world, tx);
          for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
        },
      });
    }
    await expectCounts(world, topic.name, { [good]: counts(1, 4) });
    const [dead] = await deadOf(world, topic, 1);
    expect(dead).toMatchObject({ key: bad, tries: 3, error: expect.stringContaining("has not ended within 500 ms") });
    await publishCounts(world, bus, topic, good, [5]);
    await expectCounts(world, topic.name, { [good]: counts(1, 5) });
    expect(await countsByKey(world, topic.name)).toEqual({ [good]: counts(1, 5) });
  };
}

/** What has to hold when a handler does not end. */
export const OVERDUE_CASES: Record<string, (world: World) => Promise<void>> = {
  async "a handler past its deadline gives its unit up, and what it does late is not written"(world) {
    const { bus } = await world.join({ deadlineMs: 500 });
    const [topic, echo] = [topicFor("overdue"), topicFor("echo")];
    const [late, woken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const epochs = new Set<number>();
    let calls = 0;
    const running = noting(world, bus, topic.name, [topic], {
      onAcquired: async ({ partition, epoch }) => void (partition === bus.partitionOf("k") && epochs.add(epoch)),
      handle: async (tx, events) => {
        calls += 1;
        if (calls === 1) await late.promise;
        try {
          for (const event of events) {
            await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
            bus.publish(tx, [{ topic: echo, key: event.key, type: "counted", data: event.data }]);
          }
        } finally {
          if (calls > 1) woken.resolve();
        }
      },
    });
    noting(world, bus, echo.name, [echo]);
    await running.ready;
    await publishCounts(world, bus, topic, "k", counts(1, 3));
    await expectCounts(world, topic.name, { k: counts(1, 3) });
    expect(epochs.size).toBeGreaterThanOrEqual(2);
    late.resolve();
    await woken.promise;
    await publishCounts(world, bus, topic, "k", [4]);
    await expectCounts(world, topic.name, { k: counts(1, 4) });
    await expectCounts(world, echo.name, { k: counts(1, 4) });
    expect(await parkedOf(world, topic)).toEqual([]);
  },

  async "nor does one of volatile events, a takeover or a release that never ends keep a unit"(world) {
    const { bus } = await world.join({ deadlineMs: 500 });
    const topic = topicFor("stuck", { class: "volatile" });
    const stuck = { onAcquired: 1, handleVolatile: 1, onReleased: 1 };
    const never = (what: keyof typeof stuck): Promise<void> =>
      stuck[what]-- > 0 ? new Promise(() => undefined) : Promise.resolve();
    const seen: number[] = [];
    const running = bus.subscribe({
      group: topic.name,
      topics: [topic],
      onAcquired: async ({ partition }) => void (partition === bus.partitionOf("k") && (await never("onAcquired"))),
      onReleased: async ({ partition }) => void (partition === bus.partitionOf("k") && (await never("onReleased"))),
      handleVolatile: async (events) => {
        await never("handleVolatile");
        seen.push(...events.map(countOf));
      },
    });
    await running.ready;
    await until(async () => {
      await bus.publishVolatile([{ topic, key: "k", type: "counted", data: { n: 1 } }]);
      return seen.length > 0;
    });
    expect(stuck.onReleased).toBeLessThan(1);
  },

  async "an event whose handler waits for a database that does not answer is not to blame, alone or in a lane"(world) {
    const member = await world.join({ deadlineMs: 500 });
    const topic = topicFor("mute");
    const how = { isBad: true, hangs: false, hung: [] as string[] };
    noting(world, member.bus, topic.name, [topic], {
      handle: async (tx, events) => {
        if (how.hangs) {
          how.hung.push(...events.map(({ key }) => key));
          await new Promise(() => undefined);
        }
        if (how.isBad) throw new Error("poison");
        for (const event of events) await world.note(tx, { group: topic.name, key: event.key, n: countOf(event) });
      },
    });
    await publishCounts(world, member.bus, topic, "k", [1]);
    await until(async () => (await parkedOf(world, topic)).length === 1);
    Object.assign(how, { isBad: false, hangs: true });
    member.isMute = true;
    await until(() => how.hung.includes("k"));
    const [other = ""] = keysOfOnePart(member.bus, 1);
    await publishCounts(world, member.bus, topic, other, [1]);
    await until(() => how.hung.filter((key) => key === other).length >= 2);
    // What is blamed is noted with its deadline.
    expect((await parkedOf(world, topic)).map(({ key, error }) => [key, error])).toEqual([["k", "poison"]]);
    Object.assign(how, { hangs: false });
    member.isMute = false;
    await expectCounts(world, topic.name, { k: [1], [other]: [1] });
    expect(await parkedOf(world, topic)).toEqual([]);
  },

  "an event whose handler never ends is found in its batch, and is dead in the end; other keys flow": neverEnds(
    () => new Promise(() => undefined),
  ),

  "nor does a statement of it that runs on hold up its partition": neverEnds((world, tx) => world.runOn(tx)),
};
