import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

const FINAL_EQUITY = "8557.6977269286266";

test("600 bars in one process: engine, backtest, the venue and the independent checker agree, and nothing is left running", async () => {
  const { line, checker, exitCode, leftRunning } = await runDemo(["--bars", "600"]);
  expect(line).toEqual({
    bars: 600,
    orders: 19,
    fills: 18,
    finalEquity: FINAL_EQUITY,
    backtestEquity: FINAL_EQUITY,
    venueFills: 18,
    equal: true,
  });
  expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
  expect({ exitCode, leftRunning }).toEqual({ exitCode: 0, leftRunning: [] });
}, 200_000);
