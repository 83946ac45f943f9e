import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

test("all bars with a process for each service and three kills on the way give the same", async () => {
  const { line, checker } = await runDemo(["--processes", "--kill", "3", "--seed", "1"]);
  expect(line).toMatchObject({ bars: 5_105, orders: 175, finalEquity: "13597.0447298173552", equal: true });
  expect(line.kills).toHaveLength(3);
  expect(checker).toEqual({ code: 0, said: "175 orders, 175 fills, 5105 equity points agree." });
}, 400_000);
