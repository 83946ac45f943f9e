import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "#shared/errors/app-error.ts";
import { keepFilesPrivate } from "./file-modes.ts";
import { identityOf, isAlive } from "./process-record.ts";
import { Trouble } from "./say.ts";

const ownerSchema = z.object({ pid: z.number(), identity: z.string(), url: z.string().optional() });

/** A folder that one supervisor at a time works in. */
export interface DataFolder {
  path: string;
  /** Where the processes started from here are remembered. */
  pids: string;
  logs: string;
  /** Where its owner can be looked at from now on: said to whoever wants the folder too. */
  answersAt(url: string): void;
  release(): void;
}

function ownerOf(file: string): z.infer<typeof ownerSchema> | null {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return null;
  }
}

function cannotWrite(command: string, path: string, error: unknown): Trouble {
  return new Trouble(`${command} cannot write to its data folder ${path}: ${messageOf(error)}.`);
}

/** Whether someone alive works in the folder. */
export function isTaken(path: string): boolean {
  const owner = ownerOf(join(path, "owner.json"));
  return owner !== null && isAlive(owner);
}

/** Lies in each folder that was taken once. */
const MARK = ".r3edge-data";
const MARK_TEXT = "This folder belongs to r3edge-engine: it makes, changes and removes what lies here.\n";

/** Makes the folder ours where it is new or empty. Nothing is touched in one that holds something else. */
function makeOurs(path: string, command: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new Trouble(`${path} is a file; set R3_DATA_FOLDER to a folder, or to one that is to be made.`);
  mkdirSync(path, { recursive: true });
  if (!existsSync(join(path, MARK))) {
    if (readdirSync(path).length > 0)
      throw new Trouble(
        `${path} is not empty and no data folder of ${command}, which would change and remove what lies there; set R3_DATA_FOLDER to a new folder.`,
      );
    writeFileSync(join(path, MARK), MARK_TEXT);
  }
  // Root's Postgres runs as another user, who has to get through; what lies here is private itself.
  chmodSync(path, process.getuid?.() === 0 ? 0o711 : 0o700);
}

/** Takes the folder, or says in a Trouble who has it, or why it cannot be had. What a dead owner left is taken over. */
export function takeDataFolder(path: string, command: string): DataFolder {
  const pids = join(path, "processes");
  const logs = join(path, "logs");
  const file = join(path, "owner.json");
  keepFilesPrivate();
  try {
    makeOurs(path, command);
    mkdirSync(pids, { recursive: true });
    mkdirSync(logs, { recursive: true });
  } catch (error) {
    throw error instanceof Trouble ? error : cannotWrite(command, path, error);
  }
  const owner = { pid: process.pid, identity: identityOf(process.pid) };
  const answersAt = (url: string): void => {
    // Whole or not at all: an owner that cannot be read is a dead one.
    writeFileSync(`${file}.new`, JSON.stringify({ ...owner, url }));
    renameSync(`${file}.new`, file);
  };
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(owner), { flag: "wx" });
      return { path, pids, logs, answersAt, release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
        throw cannotWrite(command, path, error);
    }
    const holder = ownerOf(file);
    if (holder !== null && isAlive(holder)) break;
    rmSync(file, { force: true });
  }
  const holder = ownerOf(file);
  const where = holder?.url === undefined ? "" : ` at ${holder.url}`;
  throw new Trouble(
    `${command} already runs on ${path} (process ${holder?.pid ?? "unknown"})${where}; stop it, or set R3_DATA_FOLDER to another folder.`,
  );
}
