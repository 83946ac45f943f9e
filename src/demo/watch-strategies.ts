import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { getJson } from "#local/rest.ts";
import { strategyTypeErrors } from "#local/strategy-types.ts";
import { folderOf } from "#shared/strategy-threads/catalogue.ts";
import type { ServiceUrls } from "./demo-settings.ts";

interface WatchOptions {
  /** As R3_STRATEGY_FOLDERS names them. */
  folders: readonly string[];
  /** Where the compiler's settings are written. */
  dataFolder: string;
  /** What the engine cannot load now. */
  faults: () => Promise<readonly string[]>;
  say: (line: string) => void;
  signal?: AbortSignal;
}

/** How often it is looked at, milliseconds. */
const LOOK_EVERY_MS = 1_000;
const strategiesSchema = z.object({ faults: z.array(z.string()) });

/** What the engine says of its strategies. */
export async function strategyFaults(urls: ServiceUrls): Promise<readonly string[]> {
  return strategiesSchema.parse(await getJson(`${urls["strategy-executor"]}/api/strategy-executor/strategies`)).faults;
}

/**
 * Says what is wrong with the strategies of some folders, at first and after each change of a file: what the engine cannot
 * load, and the errors of their types. Types are for whoever writes strategies; nothing else depends on them.
 */
export async function watchStrategies({ folders, dataFolder, faults, say, signal }: WatchOptions): Promise<void> {
  const types = createTeller("Types of strategies", say);
  const loading = createTeller("Strategies", say);
  let checked = "";
  while (signal?.aborted !== true) {
    // A service that is being restarted is asked again.
    const told = await faults().catch(() => null);
    if (told !== null) loading(told);
    const stamp = stampOf(folders);
    if (stamp !== checked) {
      checked = stamp;
      const errors = await strategyTypeErrors(folders, dataFolder).catch(() => null);
      if (errors !== null) types(errors);
    }
    await sleep(LOOK_EVERY_MS, undefined, { ref: false });
  }
}

/** Says what was not there the last time, and when nothing is there any more. */
function createTeller(what: string, say: (line: string) => void) {
  let before: readonly string[] = [];
  return (now: readonly string[]) => {
    for (const line of now) if (!before.includes(line)) say(`${what}: ${line}`);
    if (before.length > 0 && now.length === 0) say(`${what}: nothing is wrong any more.`);
    before = now;
  };
}

/** Differs once a file was changed, made or removed. */
function stampOf(folders: readonly string[]): string {
  const files = folders.map(folderOf).flatMap((folder) => namesIn(folder).map((name) => join(folder, name)));
  const stamps = files.map((file) => `${file} ${statSync(file, { throwIfNoEntry: false })?.mtimeMs}`);
  return stamps.join("\n");
}

/** A folder may be gone for a moment, as while another branch is checked out. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".ts"));
  } catch {
    return [];
  }
}
