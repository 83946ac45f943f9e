import { delimiter, dirname } from "node:path";
import { environment } from "#local/environment.ts";

/** The blocks of a guide that are typed into a shell, in their order. */
export function typedBlocks(guide: string): string[] {
  return [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
}

/** The environment of a terminal in which this Bun is the one that is found, with these settings. */
export function terminalEnvironment(settings: Record<string, string> = {}): Record<string, string> {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
  return { ...environment(settings), PATH };
}

/** A shell that blocks are typed into, one after the other. What they started in the background ends with it. */
export interface Shell {
  /** What a block says on standard output. Throws where one of its commands fails. */
  type(block: string): Promise<string>;
  close(): Promise<void>;
}

/** So long a block may take, in milliseconds. */
const WITHIN_MS = 90_000;

/** However it ends, also by the end of its input when the test is killed, its whole process group ends. */
const AS_ONE = "trap 'kill 0' EXIT\n";

/** Opens a shell that ends at the first command that fails. `withinMs`: so long a block may take. */
export function openShell(cwd: string, withinMs = WITHIN_MS): Shell {
  const shell = Bun.spawn(["sh", "-eu"], {
    cwd,
    env: terminalEnvironment(),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const endAll = () => {
    try {
      process.kill(-shell.pid, "SIGKILL");
    } catch {
      // All of them have ended already.
    }
  };
  const trouble = new Response(shell.stderr).text();
  const lines = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  let typed = 0;
  return {
    async type(block) {
      typed += 1;
      const end = `--- end of block ${typed}\n`;
      await shell.stdin.write(`${typed === 1 ? AS_ONE : ""}${block}\necho '${end.trim()}'\n`);
      await shell.stdin.flush();
      const timer = setTimeout(endAll, withinMs);
      try {
        while (!said.includes(end)) {
          const { done, value } = await lines.read();
          if (done) throw new Error(`It ended in this block:\n${block}\n${said}\n${await trouble}`);
          said += value;
        }
      } finally {
        clearTimeout(timer);
      }
      const [before = "", ...after] = said.split(end);
      said = after.join(end);
      return before;
    },
    async close() {
      endAll();
      await shell.exited;
    },
  };
}
