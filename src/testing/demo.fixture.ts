import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { struckSchema } from "#demo/venue-faults.ts";
import { environment } from "#local/environment.ts";
import { endLeftovers } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";

const lineSchema = z.object({
  bars: z.number(),
  orders: z.number(),
  fills: z.number(),
  finalEquity: z.string(),
  backtestEquity: z.string(),
  venueFills: z.number(),
  equal: z.boolean(),
  kills: z.array(z.object({ point: z.string(), bar: z.number(), order: z.number() })).optional(),
  faults: z.array(struckSchema).optional(),
});
/** The last line of a demo. */
export type DemoLine = z.infer<typeof lineSchema>;

/** A demo that was run to its end. */
export interface RanDemo {
  line: DemoLine;
  /** What the independent checker said, and its exit code. */
  checker: { code: number; said: string };
  /** Of bin/up, after Ctrl-C. */
  exitCode: number;
  /** Names of programs that were still running afterwards. */
  leftRunning: string[];
}

/** What a demo is played with and beside. */
export interface DemoCompany {
  settings?: Record<string, string>;
  /** Runs beside the demo until the signal aborts, with its data folder. */
  meanwhile?: (folder: string, signal: AbortSignal) => Promise<void>;
}

async function firstLine(stream: ReadableStream<Uint8Array>, onEnd: () => Promise<Error>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream) {
    text += decoder.decode(part, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw await onEnd();
}

/**
 * Runs `bin/up` with these arguments until it prints its line, lets the independent checker look while everything still
 * runs, and stops it as Ctrl-C does.
 */
export async function runDemo(
  args: readonly string[],
  { settings = {}, meanwhile }: DemoCompany = {},
): Promise<RanDemo> {
  const folder = mkdtempSync(join(tmpdir(), "demo-"));
  const env = environment({ R3_DATA_FOLDER: folder, R3_HTTP_CHECK_ANSWERS: "true", ...settings });
  const up = Bun.spawn([process.execPath, "bin/up.ts", ...args], { cwd: ROOT, env, stdout: "pipe", stderr: "pipe" });
  const said = new Response(up.stderr).text();
  const over = new AbortController();
  const beside = meanwhile?.(folder, over.signal);
  try {
    const text = await firstLine(up.stdout, async () => new Error(`bin/up ended early:\n${await said}`));
    over.abort();
    await beside;
    const line = lineSchema.parse(JSON.parse(text));
    const check = Bun.spawn([process.execPath, "bin/check-demo.ts", folder], {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([new Response(check.stdout).text(), new Response(check.stderr).text()]);
    const checker = { code: await check.exited, said: `${out}${err}`.trim() };
    up.kill("SIGINT");
    const exitCode = await up.exited;
    return { line, checker, exitCode, leftRunning: await endLeftovers(join(folder, "processes")) };
  } finally {
    over.abort();
    up.kill("SIGTERM");
    await up.exited;
    await endLeftovers(join(folder, "processes"));
    removeData(folder);
  }
}
