import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, normalize, relative } from "node:path";
import { ROOT } from "#local/root.ts";
import { type Step, say, step, Trouble } from "#local/say.ts";

const TEST_FOLDERS = ["src", "strategies", "bin", "bench", "chaos"];

/** How many tests passed and failed. */
export interface Counts {
  passed: number;
  failed: number;
}

/** How long a test file took. */
export interface FileTime {
  file: string;
  seconds: number;
}

/** What the files of a run came to. */
export interface Outcome extends Counts {
  times: FileTime[];
}

/** Test files of one kind, run together. */
export interface Stage {
  name: string;
  matches(file: string): boolean;
  /** How many files at a time. */
  atOnce: number;
  /** A file that takes longer is ended, and counts as failed. */
  limitMs: number;
}

const END_TO_END = /\.(e2e|full)\.test\.ts$/;
const INTEGRATION = /\.integration\.test\.ts$/;
const CONTRACT = /\.contract\.(integration\.)?test\.ts$/;

/** The ladder, from what is quick to what is whole; the last rung is climbed with `--full` alone. */
export const STAGES: readonly Stage[] = [
  {
    name: "Unit tests",
    matches: (file) => !END_TO_END.test(file) && !INTEGRATION.test(file) && !CONTRACT.test(file),
    atOnce: 2,
    limitMs: 120_000,
  },
  { name: "Contract tests", matches: (file) => CONTRACT.test(file), atOnce: 2, limitMs: 180_000 },
  {
    name: "Integration tests",
    matches: (file) => INTEGRATION.test(file) && !CONTRACT.test(file),
    atOnce: 3,
    limitMs: 180_000,
  },
  { name: "End-to-end tests", matches: (file) => file.endsWith(".e2e.test.ts"), atOnce: 2, limitMs: 240_000 },
  { name: "Long runs", matches: isLong, atOnce: 1, limitMs: 420_000 },
];

function isLong(file: string): boolean {
  return file.endsWith(".full.test.ts");
}

/** The files with one of these in their path, or all. Long runs are among them with `full`, or when named in full. */
export function filesToRun(files: readonly string[], paths: readonly string[], full: boolean): string[] {
  const wanted = paths.map((path) => normalize(path));
  const found = files.filter((file) => wanted.length === 0 || wanted.some((path) => file.includes(path)));
  const chosen = found.filter(
    (file) => full || !isLong(file) || wanted.some((path) => `/${file}`.endsWith(`/${path}`)),
  );
  if (found.length === 0) throw new Trouble(`No test file has ${paths.join(" or ")} in its path.`);
  if (chosen.length === 0)
    throw new Trouble(`Only long runs have ${paths.join(" or ")} in their path; --full plays them as well.`);
  return chosen;
}

/** Every test file, as a path from the root. */
export function testFiles(): string[] {
  return TEST_FOLDERS.flatMap((folder) => {
    try {
      return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file));
    } catch {
      return [];
    }
  })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => relative(".", file))
    .toSorted();
}

const children = new Set<ChildProcess>();
const GRACE_MS = 20_000;

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Asks a command and all it started to end, and ends it where it does not. */
async function endChild(child: ChildProcess): Promise<void> {
  const gone = new Promise<void>((settle) => {
    if (child.exitCode !== null || child.signalCode !== null) settle();
    else child.once("exit", () => settle());
  });
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), GRACE_MS);
  await gone;
  clearTimeout(timer);
}

/** Set for good by endCommands: no file is begun any more. */
let ending = false;

/** Ends every command that runs; no other one is begun. */
export async function endCommands(): Promise<void> {
  ending = true;
  await Promise.all([...children].map(endChild));
}

/** Runs a command in a process group of its own and keeps what it prints. One that takes too long is ended. */
export function runCommand(
  command: readonly string[],
  env: Record<string, string>,
  limitMs: number,
): Promise<{ code: number | null; output: string }> {
  return new Promise((settle) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    const parts: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part.toString()));
    const timer = setTimeout(() => {
      parts.push(`\nEnded after ${limitMs / 1_000} s.\n`);
      void endChild(child);
    }, limitMs);
    child.once("error", (error) => settle({ code: 1, output: error.message }));
    child.once("close", (code) => {
      clearTimeout(timer);
      children.delete(child);
      settle({ code, output: parts.join("") });
    });
  });
}

/** What `bun test` counted in its closing lines. A run that counted nothing, or ended badly, has one failure at least. */
export function countsOf({ code, output }: { code: number | null; output: string }): Counts {
  // One that was ended counts nothing: its tests that passed are lines.
  const passed = Number(/^\s*(\d+) pass$/m.exec(output)?.[1] ?? output.match(/^\(pass\) /gm)?.length ?? 0);
  const failed = Number(/^\s*(\d+) fail$/m.exec(output)?.[1] ?? 0);
  const skipped = Number(/^\s*(\d+) (?:skip|todo)$/m.exec(output)?.[1] ?? 0);
  return { passed, failed: code === 0 && passed > 0 ? failed + skipped : Math.max(1, failed) };
}

/** The part of a failed file's output that a person wants: without the tests that passed. */
function shortened(output: string): string {
  return output
    .split("\n")
    .filter((line) => !line.startsWith("(pass)"))
    .slice(-60)
    .join("\n");
}

/** Marks a stage's step as failed; what failed is said already. */
class Failed extends Error {}

/** Each file is a process of its own: what one leaves open or slows down is its own. */
export async function runStage(stage: Stage, files: readonly string[], env: Record<string, string>): Promise<Outcome> {
  const total: Outcome = { passed: 0, failed: 0, times: [] };
  const waiting = files.filter((file) => stage.matches(file));
  if (waiting.length === 0) return total;
  const all = waiting.length;
  const running = new Set<string>();
  const tell = (line: Step): void => {
    const done = `${all - waiting.length - running.size} of ${all} files, ${total.passed} passed, ${total.failed} failed`;
    line.say(running.size === 0 ? done : `${done}; ${[...running].join(", ")}`);
  };
  await step(stage.name, async (line) => {
    tell(line);
    const timer = setInterval(() => tell(line), 500);
    const work = async (): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined && !ending; file = waiting.shift()) {
        running.add(file);
        const command = [process.execPath, "test", `./${file}`, "--timeout", "60000"];
        const beganMs = performance.now();
        const outcome = await runCommand(command, env, stage.limitMs);
        total.times.push({ file, seconds: (performance.now() - beganMs) / 1_000 });
        running.delete(file);
        const counts = countsOf(outcome);
        if (counts.failed > 0 && !ending) say(`\n${file}\n${shortened(outcome.output)}`);
        total.passed += counts.passed;
        total.failed += counts.failed;
      }
    };
    await Promise.all(Array.from({ length: stage.atOnce }, work));
    clearInterval(timer);
    tell(line);
    if (total.failed > 0) throw new Failed();
  }).catch((error: unknown) => {
    if (!(error instanceof Failed)) throw error;
  });
  return total;
}

/** The slowest files, the slowest first, as lines to be read. */
export function slowest(times: readonly FileTime[], most: number): string[] {
  return times
    .toSorted((left, right) => right.seconds - left.seconds)
    .slice(0, most)
    .map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}`);
}
