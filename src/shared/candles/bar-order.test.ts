import { describe, expect, test } from "bun:test";
import type { VenueBar } from "#shared/domain/candle.ts";
import { barLinkOf, chainFrames, contiguous } from "./bar-order.ts";

describe("barLinkOf", () => {
  const cases: [string, number | null, number, number | null, string][] = [
    ["the venue's first bar opens an empty series", null, 100, null, "next"],
    ["a later bar on an empty series leaves a hole", null, 200, 100, "hole"],
    ["the bar after the head is next, whatever the calendar", 100, 900, 100, "next"],
    ["the head again is a duplicate", 100, 100, 50, "duplicate"],
    ["an older bar is a duplicate", 100, 50, null, "duplicate"],
    ["a bar whose forerunner is unknown leaves a hole", 100, 300, 200, "hole"],
    ["a later bar that names none before it leaves a hole", 100, 300, null, "hole"],
  ];
  test.each(cases)("%s", (_name, head, openAtMs, prevOpenAtMs, link) => {
    expect(barLinkOf(head, { openAtMs, prevOpenAtMs })).toBe(link as "next");
  });
});

describe("contiguous", () => {
  const bar = (openAtMs: number, prevOpenAtMs: number | null) => ({ openAtMs, prevOpenAtMs });
  const openings = (bars: readonly { openAtMs: number }[]) => bars.map(({ openAtMs }) => openAtMs / 60_000);
  test.each([
    [
      "takes what follows, leaves duplicates out",
      [bar(420_000, 0), bar(480_000, 420_000), bar(600_000, 480_000)],
      [8, 10],
      false,
    ],
    ["stops before a hole", [bar(480_000, 420_000), bar(660_000, 600_000), bar(720_000, 660_000)], [8], true],
    ["stops before a hole at the front", [bar(660_000, 600_000)], [], true],
  ])("%s", (_name, bars, next, hole) => {
    const found = contiguous(420_000, bars);
    expect(openings(found.next)).toEqual(next);
    expect(found.hole).toBe(hole);
  });
});

describe("chainFrames", () => {
  const frame = (openAtMs: number, closeAtMs: number) => ({ openAtMs, closeAtMs, prevOpenAtMs: null }) as VenueBar;
  const openings = (bars: readonly VenueBar[]) => bars.map(({ openAtMs }) => openAtMs);
  const LAST = frame(100, 200);

  test("takes frames that open where the one before closed, in order, and each names that one", () => {
    const { ready, waiting } = chainFrames(LAST, [frame(300, 450), frame(200, 300)]);
    expect(ready.map(({ openAtMs, prevOpenAtMs }) => [openAtMs, prevOpenAtMs])).toEqual([
      [200, 100],
      [300, 200],
    ]);
    expect(waiting).toEqual([]);
  });

  test.each([
    ["one that opens later, with all behind it", LAST, [frame(200, 300), frame(310, 400), frame(400, 500)], [310, 400]],
    ["each while no bar is known", null, [frame(200, 300), frame(300, 400)], [200, 300]],
  ])("lets wait %s", (_what, last, frames, openAtMs) => {
    expect(openings(chainFrames(last, frames).waiting)).toEqual(openAtMs);
  });

  test("leaves out what is not after the last bar", () => {
    expect(chainFrames(LAST, [frame(100, 200), frame(0, 100)])).toEqual({ ready: [], waiting: [] });
  });
});
