import { basename, dirname, join } from "node:path";
import * as zod from "zod";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { wordsOf } from "#shared/strategy/thrown.ts";
import { scanSource } from "./scan-source.ts";

/** What can be told of a strategy without running it. */
export interface StrategyInfo {
  name: string;
  version: string;
  description: string;
  /** Whether it is also called with forming bars. */
  forming: boolean;
  /** JSON Schema of its parameters. */
  params: Record<string, unknown>;
  /** The file that exports it. */
  file: string;
  /** The texts of that file and of those beside it that it imports, by their paths, as they were read. */
  texts: Texts;
}

/** Source files by their paths. */
export type Texts = Readonly<Record<string, string>>;

const SHARED = join(import.meta.dir, "..");

/** A folder of strategies may lie anywhere: what it may import is found from there too. */
Bun.plugin({
  name: "imports of strategies",
  setup(build) {
    build.onResolve({ filter: /^#shared\// }, ({ path }) => ({ path: join(SHARED, path.slice("#shared/".length)) }));
    // The same module, so that a schema made there is known for one here. `onResolve` is not asked for packages in a worker.
    // What is loaded is what was looked through, also where it was saved again meanwhile.
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
      contents: looked.get(path)?.text ?? (await Bun.file(path).text()),
      loader: "ts",
    }));
    build.module("zod", () => ({ exports: { ...zod }, loader: "object" }));
  },
});

/** Files of this thread that were looked through and may be loaded. */
const looked = new Map<string, { text: string; own: string[] }>();

/** Looks through a file and all files beside it that it imports. Throws with the first thing that is refused. */
async function lookThrough(file: string, texts: Texts): Promise<void> {
  if (looked.has(file)) return;
  const text = texts[file] ?? (await Bun.file(file).text());
  const { faults, own } = scanned(file, text);
  if (faults[0] !== undefined) throw new Error(`${basename(file)}: ${faults[0]}`);
  const files = own.map((path) => join(dirname(file), path));
  looked.set(file, { text, own: files });
  for (const path of files) await lookThrough(path, texts);
}

/** The parser says where in a text it stands, and not of which file. */
function scanned(file: string, text: string): ReturnType<typeof scanSource> {
  try {
    return scanSource(text);
  } catch (error) {
    const line = error instanceof BuildMessage ? error.position?.line : undefined;
    if (line === undefined) throw error;
    throw new Error(`${messageOf(error)} (${basename(file)}, line ${line})`, { cause: error });
  }
}

/** A file that was looked through, with all that it imports. */
function textsOf(file: string): Texts {
  const files = new Set([file]);
  for (const path of files) for (const other of looked.get(path)?.own ?? []) files.add(other);
  return Object.fromEntries([...files].map((path) => [path, looked.get(path)?.text ?? ""]));
}

/**
 * Loads a file and gives every strategy that it exports. `texts`: the files as they were read before, whatever is there by now.
 * Throws (STRATEGY_FAILED) with a sentence about a file that cannot be read, is no TypeScript, reaches for what a strategy may
 * not have, or throws as it is loaded.
 */
export async function loadDefinitions(file: string, texts: Texts = {}): Promise<StrategyDefinition[]> {
  try {
    await lookThrough(file, texts);
    const exported = (await import(file)) as Record<string, unknown>;
    return [...new Set(Object.values(exported).filter(isDefinition))];
  } catch (error) {
    looked.delete(file);
    const told = `${basename(file)} cannot be loaded: ${wordsOf(error)}`;
    throw new AppError("STRATEGY_FAILED", "permanent", told, { cause: error });
  }
}

/** Whether an export is a strategy: what `defineStrategy` takes. */
function isDefinition(value: unknown): value is StrategyDefinition {
  if (typeof value !== "object" || value === null) return false;
  const { name, version, params, create, onBar } = value as Record<string, unknown>;
  return (
    typeof name === "string" &&
    typeof version === "string" &&
    params instanceof zod.ZodType &&
    typeof create === "function" &&
    onBar === undefined
  );
}

/** What is told of a definition that stands in a file. */
export function infoOf(
  { name, version, description, forming, params }: StrategyDefinition,
  file: string,
): StrategyInfo {
  const schema = zod.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as Record<string, unknown>;
  // What goes to another thread and into an answer is plain JSON.
  return {
    name,
    version,
    description,
    forming,
    params: JSON.parse(JSON.stringify(schema)),
    file,
    texts: textsOf(file),
  };
}
