import { statSync } from "node:fs";
import { basename, isAbsolute, join, relative } from "node:path";
import { Glob } from "bun";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { StrategyInfo } from "./definitions.ts";

/** The strategies of some folders at one time. */
export interface Catalogue {
  strategies: readonly StrategyInfo[];
  /** Files that could not be loaded, each with a sentence why. */
  faults: readonly { file: string; told: string }[];
}

/** The engine's own folder: relative paths start there. */
const ROOT = join(import.meta.dir, "../../..");
/** Files of a folder that hold no strategy. */
const NO_STRATEGY = /\.(test|fixture|d)\.ts$/;

export interface ReadOptions {
  inspect: (file: string) => Promise<StrategyInfo[]>;
  clock: Pick<Clock, "sleep">;
  before?: readonly StrategyInfo[] | null;
}

/** A file that takes longer than this is left to itself while the next one is read, */
const NEXT_AFTER_MS = 500;
/** and so many at once. */
const AT_ONCE = 8;

/** What each file has, or the error that it fails with, in their order. Most are read at once; some never come back. */
async function inspectAll(
  files: readonly string[],
  { inspect, clock }: Pick<ReadOptions, "inspect" | "clock">,
): Promise<{ file: string; outcome: unknown }[]> {
  const all: Promise<{ file: string; outcome: unknown }>[] = [];
  const underWay = new Set<Promise<unknown>>();
  for (const file of files) {
    while (underWay.size >= AT_ONCE) await Promise.race(underWay);
    const one = inspect(file).then(
      (infos) => ({ file, outcome: infos }),
      (error: unknown) => ({ file, outcome: error }),
    );
    all.push(one);
    underWay.add(one);
    void one.then(() => underWay.delete(one));
    const come = new AbortController();
    await Promise.race([one, clock.sleep(NEXT_AFTER_MS, come.signal)]);
    come.abort();
  }
  return Promise.all(all);
}

/**
 * Finds every strategy that the files in these folders export. A file that cannot be loaded is left out, with a sentence
 * about it. SETTINGS_INVALID: a folder is not there, or two strategies have one name. `before`: the strategies that were
 * found last. Then a second strategy of a name is no error: the one that was there stays, or none does, with a sentence
 * about it.
 */
export async function readCatalogue(
  folders: readonly string[],
  { inspect, clock, before = null }: ReadOptions,
): Promise<Catalogue> {
  const found: StrategyInfo[] = [];
  const faults: { file: string; told: string }[] = [];
  for (const { file, outcome } of await inspectAll(folders.flatMap(filesOf), { inspect, clock })) {
    if (Array.isArray(outcome)) found.push(...outcome);
    else if (outcome instanceof AppError && outcome.code !== "STRATEGY_FAILED") throw outcome;
    else faults.push({ file, told: naming(file, messageOf(outcome)) });
  }
  const strategies: StrategyInfo[] = [];
  for (const [name, infos] of Map.groupBy(found, (info) => info.name)) {
    const [one, other] = infos as [StrategyInfo, StrategyInfo?];
    if (other === undefined) {
      strategies.push(one);
      continue;
    }
    const told = twiceNamed(one, other);
    if (before === null) throw invalid(told);
    const file = before.find((info) => info.name === name)?.file;
    faults.push({ file: one.file === file ? other.file : one.file, told });
    strategies.push(...infos.filter((info) => info.file === file).slice(0, 1));
  }
  return { strategies, faults };
}

/** The folders that a setting names, with commas between them. */
export function foldersOf(setting: string): string[] {
  const folders = setting.split(",").map((folder) => folder.trim());
  return folders.filter((folder) => folder !== "");
}

/** The folder as it is watched and read. */
export function folderOf(folder: string): string {
  return isAbsolute(folder) ? folder : join(ROOT, folder);
}

/** Throws (SETTINGS_INVALID) where what is named is no folder. */
export function refuseMissing(folder: string): void {
  if (statSync(folderOf(folder), { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw invalid(`There is no folder ${folder}: R3_STRATEGY_FOLDERS has to name folders of strategies.`);
}

function filesOf(folder: string): string[] {
  refuseMissing(folder);
  const path = folderOf(folder);
  const files = [...new Glob("*.ts").scanSync({ cwd: path, absolute: true })];
  return files.filter((file) => !NO_STRATEGY.test(file)).toSorted();
}

/** A thread that is ended over a file knows its instance alone. */
function naming(file: string, told: string): string {
  const name = basename(file);
  return told.startsWith(name) ? told : `${name} cannot be loaded: ${told}`;
}

function twiceNamed({ name, file }: StrategyInfo, other: StrategyInfo): string {
  const [one, two] = [file, other.file].map((path) => relative(ROOT, path));
  const where = one === two ? `twice in ${one}` : `in ${one} and in ${two}`;
  return `Two strategies are named "${name}", ${where}: give one of them another name.`;
}

function invalid(message: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", message);
}
