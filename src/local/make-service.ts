import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "#package" with { type: "json" };
import { readMigrations } from "#shared/db/migrate.ts";
import { ROOT } from "./root.ts";
import { runTool } from "./run-tool.ts";
import { beInterrupted, closingStep, exitAfter, say, step, Trouble, wasInterrupted } from "./say.ts";
import { formsOf, nameRefusal, type ServiceName, type TakenNames } from "./service-name.ts";
import { SERVICES } from "./services.ts";
import { copyOfTemplate, type Files, importedNames, type ScalingKind, withService } from "./template-copy.ts";

const FOLDER = "src/services";
const LIST = "src/local/services.ts";
/** The scripts that make documents from the definitions of the services, and what they write. */
const DOCUMENTS = {
  "services-doc": ["ARCHITECTURE.md", "README.md", "package.json"],
  "env-example": [".env.example"],
  "alerts-doc": ["docs/alerts.md"],
};
const LIMIT_MS = 60_000;
/** The exit code of who was ended by a signal is this and its number. */
const ENDED_BY_SIGNAL = 128;
const HEARD_WITHIN_MS = 500;

/** What stands in the schema of no service: what the shared migrations make, and what is there before them. */
async function sharedSchemas(): Promise<string[]> {
  const shared = (await readMigrations()).filter(({ name }) => !name.includes("/"));
  const made = shared.flatMap(({ sql }) =>
    [...sql.matchAll(/^create schema (\w+)/gm)].map(([, schema]) => schema ?? ""),
  );
  return [...made, "r3_migrations", "public", "information_schema"];
}

/** The files of the template. */
export function readTemplate(): Files {
  const folder = join(ROOT, FOLDER, "template");
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}

async function takenNames(template: Files): Promise<TakenNames> {
  return {
    services: SERVICES.map(({ name }) => name),
    folders: readdirSync(join(ROOT, FOLDER)),
    commands: [
      ...Object.keys(packageJson.scripts),
      ...readdirSync(join(ROOT, "bin")).map((file) => file.split(".")[0] ?? ""),
      ...readdirSync(join(ROOT, "node_modules/.bin")),
    ],
    schemas: await sharedSchemas(),
    imported: importedNames(template),
  };
}

/** Runs scripts and tools, one after the other. */
interface Tools {
  /** What one says of its failure stands above the sentence. Nothing is begun any more after an interruption. */
  run(...command: string[]): Promise<void>;
  /** Resolves when none runs. */
  ended(): Promise<unknown>;
}

function createTools(): Tools {
  let running: Promise<unknown> = Promise.resolve();
  return {
    async run(...command) {
      if (wasInterrupted()) return;
      const end = runTool(command, LIMIT_MS);
      running = end;
      const { code, output } = await end;
      // Ctrl-C reaches a tool and this program alike: that the tool ended by it may be heard of first.
      if (code > ENDED_BY_SIGNAL) await Bun.sleep(HEARD_WITHIN_MS);
      if (code === 0 || wasInterrupted()) return;
      say(output.trimEnd());
      throw new Trouble(`bin/bun run ${command.join(" ")} failed; its message stands above.`);
    },
    ended: () => running,
  };
}

async function make(name: ServiceName, files: Files, tools: Tools): Promise<void> {
  const folder = join(FOLDER, name.kebab);
  await step(`${folder} made from the template`, async () => {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(ROOT, folder, path)), { recursive: true });
      writeFileSync(join(ROOT, folder, path), text);
    }
    await tools.run("biome", "check", "--write", folder);
  });
  await step(`Listed in ${LIST}`, async () => {
    const list = join(ROOT, LIST);
    writeFileSync(list, withService(readFileSync(list, "utf8"), name));
  });
  await step(`Listed in ${Object.values(DOCUMENTS).flat().join(", ")}`, async () => {
    for (const script of Object.keys(DOCUMENTS)) await tools.run(script);
  });
}

/** How all is put back as it is now, but for the folder of the new service. */
function keepAll(name: ServiceName): () => void {
  const kept = [LIST, ...Object.values(DOCUMENTS).flat()].map((path): [string, string] => {
    const file = join(ROOT, path);
    return [file, readFileSync(file, "utf8")];
  });
  return () => {
    rmSync(join(ROOT, FOLDER, name.kebab), { recursive: true, force: true });
    for (const [file, text] of kept) if (readFileSync(file, "utf8") !== text) writeFileSync(file, text);
  };
}

/**
 * Makes a service: a folder from the template, its line in the list, and the documents made from the list. All or nothing: a
 * failure and Ctrl-C put back what was. Throws a Trouble with the reason.
 */
export async function makeService(kebab: string, kind: ScalingKind): Promise<void> {
  const template = readTemplate();
  const refusal = nameRefusal(kebab, await takenNames(template));
  if (refusal !== null) throw new Trouble(refusal);
  const name = formsOf(kebab);
  const putBack = keepAll(name);
  const tools = createTools();
  let interrupts = 0;
  const interrupt = (): void => {
    interrupts += 1;
    if (interrupts > 1) return;
    beInterrupted();
    const ended = closingStep("Interrupted: all is as it was", async () => {
      await tools.ended();
      putBack();
    });
    void exitAfter(ended.then(() => 130));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const each of signals) process.on(each, interrupt);
  try {
    await make(name, copyOfTemplate(template, { name, kind }), tools);
  } catch (error) {
    await closingStep("All is as it was", async () => putBack());
    throw error;
  } finally {
    for (const each of signals) process.off(each, interrupt);
  }
}
