import { Command, InvalidArgumentError } from "commander";
import { report, say, step } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { selfCheck } from "#testing/self-check.ts";
import {
  endCommands,
  type FileTime,
  filesToRun,
  type Outcome,
  runCommand,
  runStage,
  STAGES,
  slowest,
  testFiles,
} from "#testing/test-run.ts";

const CHECK_LIMIT_MS = 240_000;

interface Options {
  full: boolean;
  durations: number;
  selfCheck: boolean;
}

async function check(env: Record<string, string>): Promise<Outcome> {
  const outcome = await step("Check: lockfile, format, lint, layers, types, dead code", () =>
    runCommand([process.execPath, "run", "check"], env, CHECK_LIMIT_MS),
  );
  if (outcome.code === 0) return { passed: 1, failed: 0, times: [] };
  say(outcome.output);
  return { passed: 0, failed: 1, times: [] };
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError("It is a whole number from 1 to 9999.");
  return Number(text);
}

async function runTests(paths: readonly string[], options: Options, scratch: Scratch): Promise<Outcome> {
  const files = filesToRun(testFiles(), paths, options.full);
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: false, given: {} });
  const env = {
    ...scratch.env,
    R3_TEST_DATABASE_URL: servers.databaseUrl,
    R3_TEST_REDIS_URL: servers.redisUrl,
    TMPDIR: scratch.data.path,
  };
  const total: Outcome = paths.length === 0 ? await check(env) : { passed: 0, failed: 0, times: [] };
  for (const stage of STAGES) {
    const { passed, failed, times } = await runStage(stage, files, env);
    total.passed += passed;
    total.failed += failed;
    total.times.push(...times);
  }
  return total;
}

function tellSlowest(times: readonly FileTime[], most: number): void {
  say(`\nThe slowest of ${times.length} files:\n${slowest(times, most).join("\n")}\n`);
}

async function main(paths: readonly string[], options: Options): Promise<number> {
  const place = { prefix: "r3edge-test-", command: "bin/test", onInterrupt: endCommands };
  const outcome = await inScratch(place, async (scratch) =>
    options.selfCheck ? { ...(await selfCheck(scratch)), times: [] } : runTests(paths, options, scratch),
  );
  if (options.durations > 0) tellSlowest(outcome.times, options.durations);
  process.stdout.write(`${outcome.passed} passed, ${outcome.failed} failed\n`);
  return outcome.failed === 0 ? 0 : 1;
}

const program = new Command("bin/test")
  .description("Runs every check and test on a Postgres and a Redis of its own.")
  .argument(
    "[paths...]",
    "only test files with one of these in their path, without the checks; a long run has to be named in full",
  )
  .option("--full", "also the long runs: full demos, one with kills, and foreign pages in a real browser", false)
  .option("--durations <n>", "print the n slowest test files and their seconds", countOf, 0)
  .option("--self-check", "plant faults in a copy of the repository; each has to be found", false)
  .parse();

const options = program.opts<Options>();
if (options.selfCheck && options.full)
  program.error("error: --self-check plants faults and plays nothing; leave --full out.");
if (options.selfCheck && options.durations > 0)
  program.error("error: --self-check plants faults in checks, not in files; leave --durations out.");
if (options.selfCheck && program.args.length > 0)
  program.error("error: --self-check plants faults in all there is; leave the path out.");
try {
  process.exitCode = await main(program.args, options);
} catch (error) {
  report(error);
  process.stdout.write("0 passed, 1 failed\n");
  process.exitCode = 1;
}
