import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { environment } from "#local/environment.ts";
import { ROOT } from "#local/root.ts";

/** Asks again and again until there is an answer; fails with `what` after `withinMs`. */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer | null | undefined | false> | Answer | null | undefined | false,
  withinMs = 10_000,
): Promise<Answer> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > untilMs) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await Bun.sleep(10);
  }
}

/** A command that ran to its end. */
export interface Ended {
  code: number;
  out: string;
  error: string;
}

/** Runs one of bin/'s programs to its end, with these settings alone. */
export async function runToEnd(args: readonly string[], settings: Record<string, string>): Promise<Ended> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: ROOT,
    env: environment(settings),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, error };
}

/** How a process ended after SIGTERM. */
export interface Stopped {
  code: number | null;
  tookMs: number;
}

/** A process of the engine that takes work. */
export interface RunningProcess {
  pid: number;
  /** Base URL without a slash at the end. */
  url: string;
  /** All it has logged so far. */
  log: readonly string[];
  readyz(): Promise<{ status: number; body: unknown }>;
  /** SIGTERM; resolves when it is gone and nothing that it started holds its output any more. */
  stop(): Promise<Stopped>;
}

async function listening(child: ChildProcess, log: string[]): Promise<string> {
  const ended = once(child, "close").then(([code]) => {
    throw new Error(`It ended with ${code} before it listened:\n${log.join("\n")}`);
  });
  const url = eventually("it listens", () => urlIn(log), 20_000);
  return await Promise.race([ended, url]);
}

function urlIn(log: readonly string[]): string | null {
  const line = log.find((text) => text.includes('"msg":"listening"'));
  return line === undefined ? null : (JSON.parse(line) as { url: string }).url;
}

/** Starts `bin/run.ts` for these services on any free port, each answer checked against its schema, and waits until it listens. */
export async function startProcess(
  services: readonly string[],
  settings: Record<string, string>,
): Promise<RunningProcess> {
  const env = environment({ R3_HTTP_PORT: "0", R3_LOG_FORMAT: "json", R3_HTTP_CHECK_ANSWERS: "true", ...settings });
  const child = spawn(process.execPath, ["bin/run.ts", ...services], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", (line) => log.push(line));
  const closed = once(child, "close");
  const url = await listening(child, log).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  return {
    pid: child.pid ?? 0,
    url,
    log,
    async readyz() {
      const answer = await fetch(`${url}/readyz`);
      return { status: answer.status, body: await answer.json() };
    },
    async stop() {
      const sinceMs = performance.now();
      child.kill("SIGTERM");
      const [code] = (await closed) as [number | null];
      return { code, tookMs: performance.now() - sinceMs };
    },
  };
}

/** Waits until a process says 200 at /readyz. */
export async function untilReady(process: RunningProcess, withinMs = 15_000): Promise<void> {
  await eventually("ready", async () => (await process.readyz()).status === 200, withinMs);
}
