import { expect, test } from "bun:test";
import { ROOT } from "#local/root.ts";

test("each session signals once at each bar that asks for it while its leaders are killed, frozen and told to end", async () => {
  const command = [process.execPath, "chaos/main.ts", "takeover"];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [line, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`chaos takeover ended with an error:\n${said}`);
  expect(JSON.parse(line)).toMatchObject({ sessions: 20, missing: 0, tooMany: 0 });
}, 300_000);
