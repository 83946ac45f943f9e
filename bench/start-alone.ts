import { join } from "node:path";
import { isReady } from "#demo/engine.ts";
import { freePort } from "#local/ports.ts";
import { ROOT } from "#local/root.ts";
import type { Scratch } from "#local/scratch.ts";

/** Starts one service alone, in a process of its own. Answers where it listens. */
export async function startAlone(
  { supervisor, env }: Scratch,
  service: string,
  settings: Record<string, string>,
): Promise<string> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await supervisor.start({
    name: service,
    command: [process.execPath, join(ROOT, "bin/run.ts"), service],
    cwd: ROOT,
    env: { ...env, ...settings, R3_HTTP_PORT: String(port), R3_LOG_LEVEL: "warn" },
    stopSignal: "SIGTERM",
    graceMs: 12_000,
    ready: (pid) => isReady(url, pid),
    readyWithinMs: 60_000,
  });
  return url;
}
