import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { folderOf } from "#shared/strategy-threads/catalogue.ts";
import { ROOT } from "./root.ts";

/** A line of the compiler about a place in a file. */
const FINDING = /^(.+?)\((\d+),(\d+)\): error TS\d+: (.+)$/;

/** What the compiler is told: the engine's own rules for folders that may lie anywhere. */
function configOf(folders: readonly string[]) {
  return {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      typeRoots: [join(ROOT, "node_modules/@types")],
      // What is unused is no wrong type.
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: { "#shared/*": [join(ROOT, "src/shared/*")], zod: [join(ROOT, "node_modules/zod")] },
    },
    include: folders.map((folder) => `${folder}/*.ts`),
  };
}

/**
 * Checks the types of the strategies in these folders with the compiler, apart from everything else, and gives a line for
 * each error in them: file, line, words. What the compiler says of other files is none of it. `folder`: where its settings are written.
 */
export async function strategyTypeErrors(folders: readonly string[], folder: string): Promise<string[]> {
  const own = folders.map(folderOf);
  const config = join(folder, "strategies.tsconfig.json");
  mkdirSync(dirname(config), { recursive: true });
  writeFileSync(config, JSON.stringify(configOf(own)));
  const compiler = Bun.spawn(
    [process.execPath, join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config, "--pretty", "false"],
    {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "ignore",
    },
  );
  const end = () => compiler.kill();
  process.once("exit", end);
  try {
    const lines = (await new Response(compiler.stdout).text()).split("\n");
    return lines.flatMap((line) => {
      const [, file = "", row, , words] = FINDING.exec(line) ?? [];
      const path = resolve(ROOT, file);
      const isOwn = own.some((one) => path.startsWith(`${one}/`));
      return isOwn ? [`${relative(ROOT, path)}, line ${row}: ${words}`] : [];
    });
  } finally {
    process.off("exit", end);
  }
}
