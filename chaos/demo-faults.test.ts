import { expect, test } from "bun:test";
import { FAULTS, planFaults } from "./demo-faults.ts";

const programs = ["paper-exchange", "market-data", "risk-manager"];
const plan = (seed: number, bars = 300) => planFaults({ seed, bars, programs, venue: "paper-exchange" });

test("a seed draws ten different faults, in the order of their bars, the same each time", () => {
  const drawn = plan(7);
  expect(new Set(drawn.map(({ fault }) => fault)).size).toBe(10);
  expect(drawn.map(({ bar }) => bar)).toEqual(drawn.map(({ bar }) => bar).toSorted((a, b) => a - b));
  expect(drawn.every(({ bar, lastsMs }) => bar >= 1 && bar <= 300 && lastsMs <= 8_000)).toBe(true);
  expect(plan(7)).toEqual(drawn);
  expect(plan(8)).not.toEqual(drawn);
});

test("eight seeds draw each fault, and a fault of the engine never happens to the venue", () => {
  const drawn = Array.from({ length: 8 }, (_, at) => plan(at + 1)).flat();
  expect(new Set<string>(drawn.map(({ fault }) => fault))).toEqual(new Set(Object.keys(FAULTS)));
  const programOf = (kind: string) =>
    new Set(drawn.filter(({ fault }) => fault.startsWith(kind)).map(({ program }) => program));
  expect(programOf("venue")).toEqual(new Set(["paper-exchange"]));
  expect(programOf("service").has("paper-exchange")).toBe(false);
  expect(programOf("redis")).toEqual(new Set([null]));
});
