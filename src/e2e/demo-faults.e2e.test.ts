import { expect, test } from "bun:test";
import { planFaults } from "#demo/fault-plan.ts";
import { runDemo } from "#testing/demo.fixture.ts";

const planned = (seed: number): string[] =>
  planFaults({ seed, bars: 600 }).flatMap(({ faults }) => faults.map(({ fault }) => fault));

test("600 bars at a venue that misbehaves in every way that changes nothing of what it executes give the same", async () => {
  const { line, checker, leftRunning } = await runDemo(["--bars", "600", "--faults", "1"]);
  expect(line).toMatchObject({ bars: 600, orders: 19, fills: 18, finalEquity: "8557.6977269286266", equal: true });
  expect(line.faults?.map(({ fault }) => fault)).toEqual(planned(1));
  expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
  expect(leftRunning).toEqual([]);
}, 200_000);
