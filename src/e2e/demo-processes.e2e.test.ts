import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

test("600 bars with a process for each service give the same", async () => {
  const { line, checker, exitCode, leftRunning } = await runDemo(["--bars", "600", "--processes"]);
  expect(line).toMatchObject({ bars: 600, orders: 19, finalEquity: "8557.6977269286266", equal: true });
  expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
  expect({ exitCode, leftRunning }).toEqual({ exitCode: 0, leftRunning: [] });
}, 200_000);
