import { Command } from "commander";
import type { DataFolder } from "./data-folder.ts";
import { report, say, step, Trouble } from "./say.ts";
import { inScratch } from "./scratch.ts";
import { selfCheck } from "./self-check.ts";
import { startServers } from "./servers.ts";
import type { Supervisor } from "./supervisor.ts";
import { type Counts, endCommands, FULL_STAGE, runCommand, runStage, STAGES, testFiles } from "./test-run.ts";

const CHECK_LIMIT_MS = 240_000;

interface Options {
  full: boolean;
  selfCheck: boolean;
}

/** Servers of its own, whatever the environment names: nothing of a person's is touched. */
const NOT_FOR_TESTS = /^(DATABASE_URL|REDIS_URL|R3_.*)$/;

async function check(env: Record<string, string>): Promise<Counts> {
  const outcome = await step("Check: lockfile, format, lint, layers, types, dead code", () =>
    runCommand([process.execPath, "run", "check"], env, CHECK_LIMIT_MS),
  );
  if (outcome.code === 0) return { passed: 1, failed: 0 };
  say(outcome.output);
  return { passed: 0, failed: 1 };
}

async function runTests(
  paths: readonly string[],
  options: Options,
  data: DataFolder,
  supervisor: Supervisor,
): Promise<Counts> {
  const files = testFiles().filter((file) => paths.length === 0 || paths.some((path) => file.includes(path)));
  if (files.length === 0) throw new Trouble(`No test file has ${paths.join(" or ")} in its path.`);
  const servers = await startServers(supervisor, data, { durable: false, given: {} });
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !NOT_FOR_TESTS.test(entry[0]),
  );
  const env = {
    ...Object.fromEntries(inherited),
    R3_TEST_DATABASE_URL: servers.databaseUrl,
    R3_TEST_REDIS_URL: servers.redisUrl,
    TMPDIR: data.path,
  };
  const total: Counts = paths.length === 0 ? await check(env) : { passed: 0, failed: 0 };
  const stages = options.full || paths.length > 0 ? [...STAGES, FULL_STAGE] : STAGES;
  for (const stage of stages) {
    const counts = await runStage(stage, files, env);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  return total;
}

async function main(paths: readonly string[], options: Options): Promise<number> {
  for (const name of Object.keys(process.env)) if (NOT_FOR_TESTS.test(name)) delete process.env[name];
  const scratch = { prefix: "r3edge-test-", command: "bin/test", onInterrupt: endCommands };
  const counts = await inScratch(scratch, ({ data, supervisor }) =>
    options.selfCheck ? selfCheck(data.path) : runTests(paths, options, data, supervisor),
  );
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  return counts.failed === 0 ? 0 : 1;
}

const program = new Command("bin/test")
  .description("Runs every check and test on a Postgres and a Redis of its own.")
  .argument("[paths...]", "only test files with one of these in their path, without the checks")
  .option("--full", "also the long runs: a full demo, and a full demo with kills", false)
  .option("--self-check", "plant faults in a copy of the repository; each has to be found", false)
  .parse();

try {
  process.exitCode = await main(program.args, program.opts<Options>());
} catch (error) {
  report(error);
  process.stdout.write("0 passed, 1 failed\n");
  process.exitCode = 1;
}
