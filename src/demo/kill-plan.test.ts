import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KILL_POINTS, planKills } from "./kill-plan.ts";

const orderBars = Array.from({ length: 40 }, (_, index) => 31 + index * 14);

describe("the plan of kills", () => {
  test("seeds 1 to 5 with three kills each cover every kill there is", () => {
    const points = [1, 2, 3, 4, 5].flatMap((seed) => planKills({ seed, kills: 3, bars: 600, orderBars }));
    expect(new Set(points.map(({ point }) => point))).toEqual(new Set(KILL_POINTS));
  });

  test("never draws a kill twice in a run, and every one falls on an order that exists, before the last bars", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 0, max: 11 }), (seed, kills) => {
        const plan = planKills({ seed, kills, bars: 600, orderBars });
        expect(plan).toHaveLength(kills);
        expect(new Set(plan.map(({ point }) => point)).size).toBe(kills);
        const bars = plan.map(({ bar, order }) => bar ?? orderBars[(order ?? 0) - 1] ?? Number.NaN);
        expect(bars.every((bar) => bar <= 595 && orderBars.includes(bar))).toBe(true);
        expect(bars).toEqual(bars.toSorted((a, b) => a - b));
      }),
    );
  });

  test("is the same for the same seed and another for another one", () => {
    const plan = (seed: number) => planKills({ seed, kills: 3, bars: 600, orderBars });
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  test("says that a run is too short", () => {
    expect(() => planKills({ seed: 1, kills: 3, bars: 35, orderBars })).toThrow("too few for 3 kills");
    expect(() => planKills({ seed: 1, kills: 12, bars: 600, orderBars })).toThrow("11 kills");
  });
});
