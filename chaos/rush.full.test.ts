import { expect, test } from "bun:test";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");

test.each([
  ["in one process", []],
  ["in a process each", ["--processes"]],
])(
  "a thousand sessions started at once %s all run within a minute, and hold up no bar of those that ran before",
  async (_where, options) => {
    const command = [process.execPath, "chaos/main.ts", "rush", ...options];
    const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
    const [line, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${line}${said}`);
    expect(JSON.parse(line)).toMatchObject({ sessions: 1_000, notReady: 0 });
  },
  300_000,
);
