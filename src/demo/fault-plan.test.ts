import { expect, test } from "bun:test";
import { demoCloses, demoOrderBars } from "./demo-run.ts";
import { fewestBars, planFaults } from "./fault-plan.ts";

const namesOf = (seed: number) => planFaults({ seed, bars: 600 }).map(({ faults }) => faults.map(({ fault }) => fault));

test("a seed draws the order of all faults, the same each time, and spreads them over the run", () => {
  const plan = planFaults({ seed: 3, bars: 600 });
  expect(planFaults({ seed: 3, bars: 600 })).toEqual(plan);
  expect(namesOf(4)).not.toEqual(namesOf(3));
  const sorted = (seed: number) => namesOf(seed).map(String).toSorted();
  expect(sorted(4)).toEqual(sorted(3));
  const bars = plan.map(({ bar }) => bar);
  expect(bars).toEqual(bars.toSorted((a, b) => a - b));
  expect([bars[0], (bars.at(-1) ?? 0) < 540]).toEqual([1, true]);
});

test("a run of too few bars is known beforehand: each fault that needs an order waits for the next one", () => {
  const orderBars = demoOrderBars(demoCloses());
  const fewest = Array.from({ length: 20 }, (_, seed) => fewestBars(seed + 1, { most: 5_105, orderBars }));
  // Those that need none take six bars each, and the tenth order is at bar 284.
  expect([Math.min(...fewest) > 250, Math.max(...fewest) < 600]).toEqual([true, true]);
  expect(fewestBars(1, { most: 5_105, orderBars })).toBe(495);
  expect(fewestBars(1, { most: 5_105, orderBars: [] })).toBe(5_106);
});
