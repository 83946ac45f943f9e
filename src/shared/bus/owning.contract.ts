import { expect } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import type { Bus } from "./bus.ts";
import { counts, noting, publishCounts, topicFor, type World } from "./bus-world.fixture.ts";

/** The partitions that a member owns, as it is told. */
function owning(bus: Bus, group: string): { owned: Set<number>; ready: Promise<void>; close(): Promise<void> } {
  const owned = new Set<number>();
  const running = bus.own({
    group,
    onAcquired: async ({ partition }) => void owned.add(partition),
    onReleased: async ({ partition }) => void owned.delete(partition),
  });
  return { owned, ready: running.ready, close: () => running.close() };
}

/** Who owns units without reading, and how far those are behind who read. */
export const OWNING_CASES: Record<string, (world: World) => Promise<void>> = {
  async "units that are owned without reading have one owner each, and another when it leaves or dies"(world) {
    const group = topicFor("owned").name;
    const joined = await Promise.all([world.join(), world.join(), world.join()]);
    let present = joined.map((member) => ({ member, ...owning(member.bus, group) }));
    const parts = counts(0, (joined[0]?.bus.partitions ?? 0) - 1);
    const ownerOf = async (part: number) => {
      await until(() => {
        const owned = present.flatMap((one) => [...one.owned]);
        return Bun.deepEquals(
          owned.toSorted((a, b) => a - b),
          parts,
        );
      });
      const owner = present.find(({ owned }) => owned.has(part)) ?? expect.unreachable();
      present = present.filter((one) => one !== owner);
      return owner;
    };
    const left = await ownerOf(0);
    await left.close();
    expect(left.owned.size).toBe(0);
    await (await ownerOf(0)).member.kill();
    await ownerOf(0);
  },

  async "a group's lag is what was published and not handled, in each partition"(world) {
    const { bus } = await world.join();
    const topic = topicFor("lag");
    const lagOf = async (key: string) => {
      const own = (await bus.lag()).filter(({ group, partition }) => {
        return group === topic.name && partition === bus.partitionOf(key);
      });
      return own.map(({ topic: of, events }) => [of, events]);
    };
    const held = Promise.withResolvers<void>();
    await noting(world, bus, topic.name, [topic], { handle: () => held.promise }).ready;
    expect(await lagOf("k")).toEqual([[topic.name, 0]]);
    await publishCounts(world, bus, topic, "k", counts(1, 3));
    expect(await lagOf("k")).toEqual([[topic.name, 3]]);
    held.resolve();
    await until(async () => Bun.deepEquals(await lagOf("k"), [[topic.name, 0]]));
  },
};
