import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "#shared/config/load.ts";
import { type DataFolder, isTaken, takeDataFolder } from "./data-folder.ts";
import { environment } from "./environment.ts";
import { OWN_SETTINGS } from "./own-settings.ts";
import { endLeftovers, identityOf } from "./process-record.ts";
import { beInterrupted, closingStep, exitAfter, say } from "./say.ts";
import { removeData } from "./servers.ts";
import { SERVICES } from "./services.ts";
import { Supervisor } from "./supervisor.ts";

/** A data folder that goes when its work is done, and the programs started for it. */
export interface Scratch {
  data: DataFolder;
  supervisor: Supervisor;
  /** The environment without any setting of the engine, so that nothing of a person's is touched. */
  env: Record<string, string>;
}

export interface ScratchOptions {
  /** First part of the folder's name in the temporary folder. */
  prefix: string;
  /** Who works there, for a sentence. */
  command: string;
  /** What is to be ended besides at Ctrl-C, before the supervisor's programs. */
  onInterrupt?: () => Promise<void>;
}

/** Ends and removes what runs that were killed have left. */
async function sweep(prefix: string): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const folder = join(tmpdir(), name);
    // One that begins in this moment has made its folder and not said yet that it is its own.
    const pid = Number(name.slice(prefix.length));
    if (isTaken(folder) || (pid !== process.pid && identityOf(pid) !== null)) continue;
    const inner = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const data of [...inner.map((entry) => join(folder, entry.name)), folder]) {
      await endLeftovers(join(data, "processes"));
      removeData(data);
    }
  }
}

/**
 * Runs a body on a temporary data folder and a supervisor of its own. Whatever happens (the body's end, its failure,
 * Ctrl-C), the programs are ended and the folder is removed; what a killed run left behind is swept by the next one.
 */
export async function inScratch<Result>(
  { prefix, command, onInterrupt }: ScratchOptions,
  body: (scratch: Scratch) => Promise<Result>,
): Promise<Result> {
  // Its settings are its own, but whoever gives one has to hear that there is none of that name.
  loadSettings([...SERVICES, OWN_SETTINGS]);
  await sweep(prefix);
  const data = takeDataFolder(join(tmpdir(), `${prefix}${process.pid}`), command);
  const supervisor = new Supervisor(data, ({ name, what, detail }) => say(`  ${name} ${what} (${detail})`));
  let interrupts = 0;
  const end = async (): Promise<void> => {
    await supervisor.stop();
    removeData(data.path);
  };
  const interrupt = (): void => {
    interrupts += 1;
    if (interrupts > 1) return;
    beInterrupted();
    const ended = closingStep("Interrupted: everything ended and removed", async () => {
      await onInterrupt?.();
      await end();
    });
    void exitAfter(ended.then(() => 130));
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  try {
    return await body({ data, supervisor, env: environment() });
  } finally {
    // The interrupt ends the process when everything is gone.
    if (interrupts > 0) await new Promise(() => {});
    await end();
  }
}
