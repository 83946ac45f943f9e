import { expect, test } from "bun:test";
import { planFaults } from "./fault-plan.ts";

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
