import { expect, test } from "bun:test";
import { ROOT } from "#local/root.ts";

const SESSIONS = 300;

test.each([[[]], [["--processes"]]])(
  "sessions started all at once hold up none that runs (%p)",
  async (options: string[]) => {
    const command = [process.execPath, "chaos/main.ts", "rush", "--sessions", String(SESSIONS), ...options];
    const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
    const [line, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${command.slice(1).join(" ")} ended with an error:\n${said}`);
    expect(JSON.parse(line)).toMatchObject({ sessions: SESSIONS, processes: options.length > 0, notReady: 0 });
  },
  240_000,
);
