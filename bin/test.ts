import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { Command } from "commander";
import { takeDataFolder } from "./data-folder.ts";
import { report, say, step, Trouble } from "./say.ts";
import { removeData, startServers } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

const ROOT = resolve(import.meta.dir, "..");
const TEST_FOLDERS = ["src", "bin", "bench", "strategies"];
/** No test file takes this long; one that hangs is ended and counts as failed. */
const FILE_LIMIT_MS = 300_000;
/** A demo that takes longer than this is stuck. */
const DEMO_LIMIT_MS = 900_000;

interface Counts {
  passed: number;
  failed: number;
}

interface Outcome {
  code: number | null;
  output: string;
}

/** Runs a command in the repository and keeps what it prints. A command that takes too long is killed with its children. */
function run(command: readonly string[], env: Record<string, string>, limitMs: number): Promise<Outcome> {
  return new Promise((settle) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const parts: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part.toString()));
    const timer = setTimeout(() => {
      parts.push(`\nEnded after ${limitMs / 1_000} s.\n`);
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, limitMs);
    child.once("error", (error) => settle({ code: 1, output: error.message }));
    child.once("close", (code) => {
      clearTimeout(timer);
      settle({ code, output: parts.join("") });
    });
  });
}

function testFiles(): string[] {
  return TEST_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => join(ROOT, folder, file)),
  )
    .map((file) => relative(ROOT, file))
    .toSorted();
}

/** What `bun test` counted in its closing lines. A run that counted nothing, or ended badly, has one failure at least. */
function countsOf({ code, output }: Outcome): Counts {
  const passed = Number(/^\s*(\d+) pass$/m.exec(output)?.[1] ?? 0);
  const failed = Number(/^\s*(\d+) fail$/m.exec(output)?.[1] ?? 0);
  return { passed, failed: code === 0 && passed > 0 ? failed : Math.max(1, failed) };
}

/** The part of a failed file's output that a person wants: without the tests that passed. */
function shortened(output: string): string {
  return output
    .split("\n")
    .filter((line) => !line.startsWith("(pass)"))
    .slice(-60)
    .join("\n");
}

async function testFile(file: string, env: Record<string, string>): Promise<Counts> {
  const outcome = await run([process.execPath, "test", `./${file}`, "--timeout", "60000"], env, FILE_LIMIT_MS);
  const counts = countsOf(outcome);
  if (counts.failed > 0) say(`\n${file}\n${shortened(outcome.output)}`);
  return counts;
}

/** Each file is a process of its own, two at a time: what one leaves open or slows down is its own. */
async function testAll(files: readonly string[], env: Record<string, string>): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0 };
  const waiting = [...files];
  let done = 0;
  await step(`Tests in ${files.length} files`, async (line) => {
    const work = async (): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        const counts = await testFile(file, env);
        total.passed += counts.passed;
        total.failed += counts.failed;
        done += 1;
        line.say(`${done}/${files.length} files, ${total.passed} passed, ${total.failed} failed (${file})`);
      }
    };
    await Promise.all([work(), work()]);
  });
  return total;
}

/** The demo from nothing to its end, on servers and in a folder of its own; it is what a person runs. */
async function playDemo(args: readonly string[], env: Record<string, string>, folder: string): Promise<Counts> {
  const name = ["bin/up", ...args].join(" ");
  const command = [process.execPath, "bin/up.ts", "--until-demo-ends", ...args];
  const outcome = await step(name, () => run(command, { ...env, R3_DATA_FOLDER: folder }, DEMO_LIMIT_MS));
  removeData(folder);
  if (outcome.code === 0 && outcome.output.includes('"equal":true')) return { passed: 1, failed: 0 };
  say(`\n${name}\n${shortened(outcome.output)}`);
  return { passed: 0, failed: 1 };
}

const DEMOS: readonly (readonly string[])[] = [
  ["--bars", "600"],
  ["--bars", "600", "--processes"],
];
const LONG_DEMOS: readonly (readonly string[])[] = [[]];

async function check(env: Record<string, string>): Promise<Counts> {
  const outcome = await step("Check: format, lint, types", () =>
    run([process.execPath, "run", "check"], env, FILE_LIMIT_MS),
  );
  if (outcome.code === 0) return { passed: 1, failed: 0 };
  say(outcome.output);
  return { passed: 0, failed: 1 };
}

async function main(paths: readonly string[], full: boolean): Promise<number> {
  const folder = join(tmpdir(), `r3edge-test-${process.pid}`);
  const data = takeDataFolder(folder, "bin/test");
  const supervisor = new Supervisor(data, ({ name, what, detail }) => say(`${name} ${what}: ${detail}`));
  let interrupted = false;
  const interrupt = (): void => {
    if (interrupted) void supervisor.stopNow();
    interrupted = true;
    void supervisor.stop().then(() => {
      removeData(folder);
      process.exit(130);
    });
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    const servers = await startServers(supervisor, data, { durable: false });
    const env = {
      ...(process.env as Record<string, string>),
      R3_TEST_DATABASE_URL: servers.databaseUrl,
      R3_TEST_REDIS_URL: servers.redisUrl,
    };
    const files = testFiles().filter((file) => paths.length === 0 || paths.some((path) => file.includes(path)));
    if (files.length === 0) throw new Trouble(`No test file has ${paths.join(" or ")} in its path.`);
    const checked = paths.length === 0 ? await check(env) : { passed: 0, failed: 0 };
    const tested = await testAll(files, env);
    const all = [checked, tested];
    const demos = paths.length > 0 ? [] : full ? [...DEMOS, ...LONG_DEMOS] : DEMOS;
    for (const args of demos) all.push(await playDemo(args, process.env as Record<string, string>, `${folder}-demo`));
    const sum = (of: (counts: Counts) => number): number => all.map(of).reduce((total, each) => total + each, 0);
    const failed = sum((counts) => counts.failed);
    process.stdout.write(`${sum((counts) => counts.passed)} passed, ${failed} failed\n`);
    return failed === 0 ? 0 : 1;
  } finally {
    await supervisor.stop();
    removeData(folder);
  }
}

const program = new Command("bin/test")
  .description("Runs every check and test on a Postgres and a Redis of its own.")
  .argument("[paths...]", "only test files with one of these in their path, without the checks")
  .option("--full", "also the long runs")
  .parse();

try {
  process.exitCode = await main(program.args, program.opts<{ full?: boolean }>().full === true);
} catch (error) {
  report(error);
  process.exitCode = 1;
}
