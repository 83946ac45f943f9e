import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

const ALL = { bars: 5_105, orders: 175, fills: 175, finalEquity: "13597.0447298173552", venueFills: 175, equal: true };

test("all bars in one process: engine, backtest, the venue and the independent checker agree", async () => {
  const { line, checker } = await runDemo([]);
  expect(line).toMatchObject(ALL);
  expect(checker).toEqual({ code: 0, said: "175 orders, 175 fills, 5105 equity points agree." });
}, 400_000);
