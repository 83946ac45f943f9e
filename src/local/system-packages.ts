import { withUsualModes } from "./file-modes.ts";
import { say, wasInterrupted } from "./say.ts";

/** A program that systems bring as a package of theirs. */
export interface SystemProgram {
  /** In a sentence. */
  title: string;
  /** What it may be called on PATH; the first that is there. */
  names: readonly string[];
  /** The package, by the tool that installs it. */
  packages: { "apt-get": string; apk: string; dnf: string };
}

/** Runs a tool of the system, which may take minutes, and keeps what it prints. Null: it failed. */
export async function runTool(
  command: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string | null> {
  const spawn = () =>
    Bun.spawn(command, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", ...options.env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 180_000,
    });
  const child = withUsualModes(spawn);
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) === 0) return out;
  // Ctrl-C ended it too; whoever was interrupted tries nothing else.
  if (wasInterrupted()) return await new Promise(() => {});
  say(`  ${command.slice(0, 3).join(" ")} failed: ${error.trim().split("\n").slice(-1).join("")}`);
  return null;
}

/** Where a program is. Null: it is not on PATH. */
export function onPath({ names }: SystemProgram): string | null {
  return names.map((name) => Bun.which(name)).find((path) => path !== null) ?? null;
}

/** Installs for the whole machine, which root may; a service that comes with the package is not started. Null: there is no way. */
export async function installForAll(program: SystemProgram): Promise<string | null> {
  const { title, packages } = program;
  const ways: [tool: keyof SystemProgram["packages"], commands: string[][]][] = [
    [
      "apt-get",
      [
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", packages["apt-get"]],
      ],
    ],
    ["apk", [["apk", "add", "--no-progress", packages.apk]]],
    ["dnf", [["dnf", "install", "-y", "-q", packages.dnf]]],
  ];
  for (const [tool, commands] of ways) {
    if (Bun.which(tool) === null) continue;
    say(`  No ${title} on PATH: installing it with ${tool} ...`);
    for (const command of commands) await runTool(command, { env: { RUNLEVEL: "1" } });
    return onPath(program);
  }
  return null;
}
