import { statSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { Glob } from "bun";
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

/**
 * Finds every strategy that a file in these folders exports. A file that cannot be loaded is left out and said; the others
 * are there. SETTINGS_INVALID: a folder is not there, or two strategies have one name.
 */
export async function readCatalogue(
  folders: readonly string[],
  inspect: (file: string) => Promise<StrategyInfo[]>,
): Promise<Catalogue> {
  const strategies: StrategyInfo[] = [];
  const faults: { file: string; told: string }[] = [];
  for (const file of folders.flatMap(filesOf)) {
    try {
      for (const info of await inspect(file)) add(strategies, info);
    } catch (error) {
      if (error instanceof AppError && error.code !== "STRATEGY_FAILED") throw error;
      faults.push({ file, told: messageOf(error) });
    }
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

function add(strategies: StrategyInfo[], info: StrategyInfo): void {
  const other = strategies.find(({ name }) => name === info.name);
  if (other === undefined) {
    strategies.push(info);
    return;
  }
  const [one, two] = [other.file, info.file].map((file) => relative(ROOT, file));
  const where = one === two ? `twice in ${one}` : `in ${one} and in ${two}`;
  throw invalid(`Two strategies are named "${info.name}", ${where}: give one of them another name.`);
}

function invalid(message: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", message);
}
