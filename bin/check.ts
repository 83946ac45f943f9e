import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { Command } from "commander";
import { ROOT } from "#local/root.ts";
import { runTool } from "#local/run-tool.ts";
import { report, say, step, Trouble } from "#local/say.ts";

const CODE = ["src", "bin", "bench", "chaos", "strategies"].filter((name) => existsSync(join(ROOT, name)));

/** What has to be right without running anything. Each is run by its tool's own name in node_modules. */
const TOOLS: readonly [what: string, command: readonly string[]][] = [
  ["format and imports (biome)", ["biome", "check", "."]],
  ["lint and layers (oxlint)", ["oxlint", "--type-aware", ...CODE]],
  ["types (tsc)", ["tsc", "-p", "."]],
  ["dead code (knip)", ["knip"]],
  ["code that only tests use (knip)", ["knip", "--production"]],
];

/** A tool's output where it is not content; null: it is. */
async function faultsOf(command: readonly string[]): Promise<string | null> {
  const { code, output } = await runTool(command, 120_000);
  return code === 0 ? null : output;
}

/** A lockfile has to be there (an install without one passes), and names no host: it fits whatever registry is used. */
function lockfileFaults(): string | null {
  const file = join(ROOT, "bun.lock");
  if (!existsSync(file)) return "bun.lock is missing.";
  const hosts = readFileSync(file, "utf8").match(/https?:\/\/[^"/]+/g) ?? [];
  return hosts.length === 0 ? null : `bun.lock names hosts: ${[...new Set(hosts)].join(", ")}.`;
}

const LONGEST_FILE = 400;

/** The TypeScript files below these folders. */
function filesIn(...folders: string[]): string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith(".ts"));
}

/** No file is longer than a reader keeps in mind. */
function lengthFaults(): string | null {
  const files = filesIn(...CODE);
  const long = files.filter((name) => readFileSync(join(ROOT, name), "utf8").split("\n").length > LONGEST_FILE + 1);
  return long.length === 0 ? null : `Files over ${LONGEST_FILE} lines: ${long.join(", ")}.`;
}

/** Where a service's statements may stand: in its stores, and in what only tests use. */
const MAY_HOLD_SQL = /(?:\bstore|\.test|\.fixture)\.ts$/;

/** What a service asks of the database is found in its stores. */
function strayStatements(): string | null {
  const files = filesIn("src/services").filter((name) => !MAY_HOLD_SQL.test(name));
  const stray = files.filter((name) => /\bsql(?:<[^`]*>)?`/.test(readFileSync(join(ROOT, name), "utf8")));
  return stray.length === 0 ? null : `SQL stands in stores (store.ts, ...-store.ts), not in ${stray.join(", ")}.`;
}

/** An import by the services' alias, static or dynamic, and the service that it names. */
const OF_SERVICE = /(?:from|import)\s*\(?\s*["'`]#services\/([^"'`/]+)/g;

/** What services know of one another goes through topics, tasks and REST. */
function strayImports(): string | null {
  const services = join("src", "services");
  const stray = filesIn(services).flatMap((name) => {
    const own = relative(services, name).split(sep)[0];
    const named = [...readFileSync(join(ROOT, name), "utf8").matchAll(OF_SERVICE)].map(([, service]) => service);
    return named.filter((service) => service !== own).map((service) => `${name} (${service})`);
  });
  return stray.length === 0 ? null : `A service never imports another service, as do ${stray.join(", ")}.`;
}

interface Check {
  what: string;
  /** What is wrong; null: nothing. */
  run: () => Promise<string | null> | string | null;
}

const checks: readonly Check[] = [
  { what: "lockfile", run: lockfileFaults },
  { what: "length of files", run: lengthFaults },
  { what: "SQL in stores", run: strayStatements },
  { what: "services apart", run: strayImports },
  ...TOOLS.map(([what, command]) => ({ what, run: () => faultsOf(command) })),
];

new Command("check").description("Runs all that has to be right without running anything else.").parse();
let red = 0;
for (const { what, run } of checks) {
  try {
    await step(`Check ${what}`, async () => {
      const faults = await run();
      if (faults !== null) throw new Trouble(faults.trimEnd());
    });
  } catch (error) {
    report(error);
    red += 1;
  }
}
if (red > 0) say(`${red} of ${checks.length} checks are red.`);
process.exitCode = red === 0 ? 0 : 1;
