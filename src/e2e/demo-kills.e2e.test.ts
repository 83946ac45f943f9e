import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

test("600 bars with three kills on the way give the same, and each kill happened", async () => {
  const { line, checker, leftRunning } = await runDemo(["--bars", "600", "--processes", "--kill", "3", "--seed", "2"]);
  expect(line).toMatchObject({ bars: 600, orders: 19, finalEquity: "8557.6977269286266", equal: true });
  expect(line.kills?.map(({ point }) => point).toSorted()).toEqual([
    "paper-exchange.committed",
    "redis.killed",
    "tracker.intent-committed",
  ]);
  expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
  expect(leftRunning).toEqual([]);
}, 200_000);
