import { describe, expect, test } from "bun:test";
import { beatOf } from "#services/monitoring/monitoring.fixture.ts";
import { Hearing } from "./hearing.ts";
import { type Heard, standingsOf } from "./standings.ts";

const heard = (instance: string, heardAtMs: number, more: Partial<Heard["beat"]> = {}): Heard => ({
  beat: beatOf({ service: "a", instance, ...more }),
  heardAtMs,
  missed: false,
  replacedBy: null,
});
const row = (...of: Parameters<typeof heard>) => ({ ...heard(...of), gone: false });
const stand = (all: readonly Heard[], nowMs: number, hearingSinceMs = 0) =>
  standingsOf(all, { nowMs, hearingSinceMs }).map(({ beat, standing }) => `${beat.instance} ${standing}`);

describe("how instances stand", () => {
  test("alive within three beats, silent after that, left where it said so", () => {
    const all = [heard("1", 10_000), heard("2", 9_999), heard("3", 0, { leaving: true })];
    expect(stand(all, 16_000)).toEqual(["1 alive", "2 silent", "3 left"]);
  });

  test("nobody is silent who could not be heard", () => {
    expect(stand([heard("1", 0)], 100_000, 94_000)).toEqual(["1 alive"]);
    expect(stand([heard("1", 0)], 100_000, 93_999)).toEqual(["1 silent"]);
    expect(standingsOf([heard("1", 0)], { nowMs: 100_000, hearingSinceMs: 90_000 })[0]?.silentMs).toBe(10_000);
  });

  test("who is missed stays so until it is heard, also by one who has only begun to hear", () => {
    const missed = { ...heard("1", 0), missed: true };
    expect(stand([missed], 100_000, 100_000)).toEqual(["1 silent"]);
    expect(standingsOf([missed], { nowMs: 100_000, hearingSinceMs: 100_000 })[0]?.silentMs).toBe(100_000);
  });

  test("who was replaced once stays so when the other one dies, and holds the place of none that follows", () => {
    const [first, second, third] = [
      heard("1", 10_000),
      heard("2", 60_000, { startedAtMs: 12_000 }),
      heard("3", 100_000, { startedAtMs: 62_000 }),
    ];
    const before = standingsOf([first, second], { nowMs: 60_000, hearingSinceMs: 0 });
    expect(stand([...before, heard("0", 11_000)], 60_000)).toEqual(["1 replaced", "2 alive", "0 silent"]);
    expect(stand(before, 100_000)).toEqual(["1 replaced", "2 silent"]);
    expect(stand([...before, third], 100_000)).toEqual(["1 replaced", "2 replaced", "3 alive"]);
  });

  test("a silent one is replaced by one that began after it, each by one of its own, of its own service", () => {
    const all = [
      heard("dead-1", 10_000),
      heard("dead-2", 11_000),
      heard("new", 50_000, { startedAtMs: 12_000 }),
      heard("old", 50_000, { startedAtMs: 1_000 }),
      heard("other", 50_000, { service: "b", startedAtMs: 13_000 }),
    ];
    expect(stand(all, 50_000)).toEqual(["dead-1 replaced", "dead-2 silent", "new alive", "old alive", "other alive"]);
  });
});

describe("hearing", () => {
  const beat = (instance: string, atMs: number) => beatOf({ service: "a", instance, atMs });

  test("keeps the newest beat of each, with what the rows know besides", () => {
    const hearing = new Hearing();
    hearing.take([beat("1", 1_000), beat("1", 3_000), beat("1", 2_000)], 5_000);
    const rows = [row("1", 4_000, { atMs: 2_000 }), row("2", 4_000), row("3", 900)];
    const known = hearing.with(rows, 6_000, 5_000);
    expect(known.map(({ beat: { instance, atMs }, heardAtMs }) => [instance, atMs === 3_000, heardAtMs])).toEqual([
      ["1", true, 5_000],
      ["2", false, 4_000],
      ["3", false, 900],
    ]);
    expect(hearing.with([], 10_000, 5_000)).toEqual([]);
  });

  test("what the leader has found out of one, and what a person has said, holds until it says something again", () => {
    const hearing = new Hearing();
    hearing.take([beat("1", 1_000), beat("2", 1_000)], 5_000);
    const rows = [
      { ...row("1", 4_999, { atMs: 1_000 }), missed: true, replacedBy: "3" },
      { ...row("2", 5_000, { atMs: 1_000 }), gone: true },
    ];
    const known = () =>
      hearing
        .with(rows, 6_000, 5_000)
        .map(({ beat: { instance }, missed, replacedBy }) => [instance, missed, replacedBy]);
    expect(known()).toEqual([["1", true, "3"]]);
    hearing.take([beat("1", 1_001), beat("2", 1_001)], 6_000);
    expect(known()).toEqual([
      ["1", false, null],
      ["2", false, null],
    ]);
  });

  test("a row that the leader heard later counts more than what was heard here", () => {
    const hearing = new Hearing();
    hearing.take([beat("1", 1_000)], 5_000);
    expect(hearing.with([row("1", 5_500)], 6_000, 5_000).map(({ heardAtMs }) => heardAtMs)).toEqual([5_500]);
  });

  test("begins anew after a gap: nobody was heard, so nobody is missed", () => {
    const hearing = new Hearing();
    expect([hearing.hears(1_000), hearing.sinceMs(1_000)]).toEqual([false, 1_000]);
    hearing.take([beat("1", 1)], 1_000);
    hearing.take([beat("1", 2)], 6_000);
    expect([hearing.hears(12_000), hearing.sinceMs(12_000)]).toEqual([true, 1_000]);
    expect([hearing.hears(12_001), hearing.sinceMs(12_001)]).toEqual([false, 12_001]);
    hearing.take([beat("1", 3)], 30_000);
    expect(hearing.sinceMs(31_000)).toBe(30_000);
  });
});
