import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

test("600 bars at a misbehaving venue, with a process for each service and three kills on the way, give the same", async () => {
  const args = ["--bars", "600", "--faults", "5", "--processes", "--kill", "3", "--seed", "5"];
  const { line, checker } = await runDemo(args);
  expect(line).toMatchObject({ bars: 600, orders: 19, fills: 18, finalEquity: "8557.6977269286266", equal: true });
  expect(line.kills).toHaveLength(3);
  expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
}, 300_000);
