import { expect, test } from "bun:test";
import { ROOT } from "#local/root.ts";

test("40 s of trading at venues that misbehave in every way lose nothing, double nothing and heal", async () => {
  const command = [process.execPath, "chaos/main.ts", "venue", "--seed", "2", "--seconds", "40"];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [line, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(said);
  const { violations, fills, candles, faults } = JSON.parse(line);
  expect(violations).toBe(0);
  expect(fills).toBeGreaterThan(50);
  expect(candles).toBeGreaterThan(100);
  expect(Object.keys(faults).length).toBeGreaterThan(15);
}, 240_000);
