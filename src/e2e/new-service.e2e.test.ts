import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { eventually } from "#testing/alone.fixture.ts";
import { copyRepository } from "#testing/copy-repository.ts";

/** A service of each kind: its name, and what bin/new-service is given besides. One name is as long as can be. */
const MADE: [name: string, ...options: string[]][] = [
  ["made-by-default"],
  ["order-notes", "--scaling", "task-queue"],
  ["made-for-partitions", "--scaling", "partitioning"],
  ["made-for-the-one-leader-of-all", "--scaling", "leader"],
];
const NAMES = MADE.map(([name]) => name);
const FOLDERS = NAMES.map((name) => `src/services/${name}/`);

/** The documents that a service is in, and the command that makes each. */
const DOCUMENTS = {
  "ARCHITECTURE.md": "services-doc",
  "README.md": "services-doc",
  "package.json": "services-doc",
  ".env.example": "env-example",
  "docs/alerts.md": "alerts-doc",
};
const DOC_TESTS = [...new Set(Object.values(DOCUMENTS))].map((command) => `./bin/${command}.test.ts`);
const LIST = "src/local/services.ts";
/** bin/bun takes this very Bun. */
const ENV = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };

let folder: string;
let copy: string;
/** The files of the copy before anything was made. */
let before: Map<string, string>;
/** What bin/new-service said of each. */
const said: string[] = [];

const fileOf = (name: string): string => join(copy, name);

/** Every file of the copy with its text. */
function filesOfCopy(): Map<string, string> {
  const entries = readdirSync(copy, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isFile()) return [entry.name];
    if (!entry.isDirectory()) return [];
    const inner = readdirSync(fileOf(entry.name), { recursive: true, withFileTypes: true });
    return inner
      .filter((each) => each.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(copy.length + 1));
  });
  return new Map(entries.map((name) => [name, readFileSync(fileOf(name), "utf8")]));
}

/** Runs a command in the copy, against the servers of this test. */
async function runCommand(...command: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(command, { cwd: copy, env: ENV, stdout: "pipe", stderr: "pipe", timeout: 170_000 });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: output.join("") };
}

const newService = (...args: string[]) => runCommand(fileOf("bin/new-service"), ...args);
const runBun = (...args: string[]) => runCommand(process.execPath, ...args);

/** What was printed by what has to be content. */
async function wellDone(running: ReturnType<typeof runCommand>): Promise<string> {
  const { code, output } = await running;
  expect([code, code === 0 ? "" : output]).toEqual([0, ""]);
  return output;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "new-service-"));
  copy = copyRepository(folder);
  before = filesOfCopy();
  for (const args of MADE) said.push(await wellDone(newService(...args)));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("bin/new-service, asked for a service of each kind", () => {
  test("makes their folders, and changes the list and what is made from it alone", () => {
    const now = filesOfCopy();
    const changed = [...now].filter(([name, text]) => before.get(name) !== text).map(([name]) => name);
    const outside = changed.filter((name) => !FOLDERS.some((each) => name.startsWith(each)));
    expect(outside.toSorted()).toEqual([...Object.keys(DOCUMENTS), LIST].toSorted());
    expect([...before.keys()].filter((name) => !now.has(name))).toEqual([]);
    for (const each of FOLDERS) expect(changed).toContain(`${each}work.ts`);
    for (const name of NAMES) {
      expect(now.get("README.md")).toContain(`| ${name} | Notes the newest position of each session |`);
      expect(now.get("package.json")).toContain(`"${name}": "bun bin/run.ts ${name}"`);
    }
    expect(now.get("ARCHITECTURE.md")).toContain(
      "| order-notes | Notes the newest position of each session | task queue |",
    );
  });

  test("is asked for as CONTRIBUTING.md and README.md say it", () => {
    const asked = MADE.map((args) => `bin/new-service ${args.join(" ")}`);
    for (const name of ["CONTRIBUTING.md", "README.md"]) {
      const [command = ""] = /bin\/new-service [a-z][^`\n]*/.exec(before.get(name) ?? "") ?? [];
      expect(asked).toContain(command);
    }
  });

  test("says what runs each, and where to begin", () => {
    for (const [index, name] of NAMES.entries()) {
      expect(said[index]).toContain(`bin/test src/services/${name} `);
      expect(said[index]).toMatch(new RegExp(`bin/bun run ${name} .*DATABASE_URL, REDIS_URL`));
      expect(said[index]).toMatch(/messages\.ts .* note-position\.ts [\s\S]* work\.ts /);
    }
  });

  test("makes what passes every check, and is in every document", async () => {
    await wellDone(runBun("run", "check"));
    await wellDone(runBun("test", ...DOC_TESTS, "./src/e2e/openapi.test.ts"));
  }, 180_000);

  test("makes services whose own tests pass", async () => {
    expect(await wellDone(runBun("test", ...FOLDERS.map((each) => `./${each}`)))).toMatch(/^ 4 pass$/m);
  }, 60_000);

  test("makes services that work alone, as every service does", async () => {
    const alone = ["./src/e2e/alone.e2e.test.ts", "-t", ` (${NAMES.join("|")}) is ready`, "--timeout", "60000"];
    expect(await wellDone(runBun("test", ...alone))).toMatch(/^ 4 pass$/m);
  }, 120_000);
});

describe("the documents of the services", () => {
  test("are compared with the list, and the test that misses a service names the command that mends it", async () => {
    const now = filesOfCopy();
    for (const name of Object.keys(DOCUMENTS)) writeFileSync(fileOf(name), before.get(name) ?? "");
    const { code, output } = await runBun("test", ...DOC_TESTS);
    for (const name of Object.keys(DOCUMENTS)) writeFileSync(fileOf(name), now.get(name) ?? "");
    expect(code).toBe(1);
    for (const command of Object.values(DOCUMENTS))
      expect(output).toMatch(new RegExp(`\\(fail\\).*bin/bun run ${command}`));
  });
});

describe("bin/new-service that makes nothing", () => {
  const LAST = "bin/alerts-doc.ts";
  let kept: Map<string, string>;

  beforeAll(() => {
    kept = filesOfCopy();
  });
  afterEach(() => {
    writeFileSync(fileOf(LAST), kept.get(LAST) ?? "");
    expect(filesOfCopy()).toEqual(kept);
  });

  test.each([
    [["order-notes"], 'There is a service "order-notes" already: choose another name.\n'],
    [
      ["e2e-check", "--scaling", "partition"],
      "error: option '--scaling <kind>' argument 'partition' is invalid. Did you mean partitioning?\n",
    ],
    [["new-service"], '"new-service" is a command of this repository already: choose another name.\n'],
    [["tsc"], '"tsc" is a command of this repository already: choose another name.\n'],
    [
      ["alerts"],
      '"alerts" is the schema of tables that no service owns: choose a longer name, such as alerts-notes.\n',
    ],
    [
      ["routes"],
      '"routes" would give the code of the service a second createRoutes: choose a longer name, such as routes-notes.\n',
    ],
  ])("says in a sentence why: %j", async (args, says) => {
    expect(await newService(...args)).toEqual({ code: 1, output: says });
  });

  test("puts back what was when a step fails, and says which one", async () => {
    writeFileSync(fileOf(LAST), 'process.stderr.write("No alerts today.\\n");\nprocess.exit(1);\n');
    const { code, output } = await newService("never-made");
    expect(code).toBe(1);
    expect(output).toContain("No alerts today.\n");
    expect(output).toMatch(/All is as it was .*\nbin\/bun run alerts-doc failed; its message stands above\.\n$/);
  });

  test("puts back what was at Ctrl-C", async () => {
    const begun = join(folder, "begun");
    writeFileSync(fileOf(LAST), `await Bun.write(${JSON.stringify(begun)}, "");\nawait Bun.sleep(60_000);\n`);
    const options = { cwd: copy, env: ENV, detached: true, stdio: "ignore" } as const;
    const child = spawn(fileOf("bin/new-service"), ["never-made"], options);
    const closed = once(child, "close");
    await eventually("the last document", () => existsSync(begun));
    expect(readFileSync(fileOf(".env.example"), "utf8")).toContain("R3_NEVER_MADE_LARGE_SIZE");
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await closed).toEqual([130, null]);
  });
});
