import { ROOT } from "./root.ts";

/** How a tool ended, and all it printed. */
export interface ToolEnd {
  code: number;
  output: string;
}

/** Runs a script of package.json, or a tool of a package by its own name. Without a Node, Bun takes its place. */
export async function runTool(command: readonly string[], limitMs: number): Promise<ToolEnd> {
  const bun = Bun.which("node") === null ? ["--bun"] : [];
  const child = Bun.spawn([process.execPath, ...bun, "run", ...command], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
    timeout: limitMs,
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: output.join("") };
}
