import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const recordSchema = z.object({
  name: z.string(),
  pid: z.number().int().positive(),
  /** When the system says it was started, so that a recycled process id is never taken for it. */
  identity: z.string(),
  /** How it is asked to end. */
  stopSignal: z.enum(["SIGTERM", "SIGINT"]),
  /** Stopped from the highest to the lowest. */
  rank: z.number().int(),
  /** What it has started does not end with it, and is ended too. */
  group: z.boolean().optional(),
});
/** A process that was started here, as it is remembered in a file. */
export type ProcessRecord = z.infer<typeof recordSchema>;

/** What tells a process from a later one with the same id. Null: no such process (or one that has ended). */
export function identityOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return fields[0] === "Z" || fields[0] === "X" ? null : `${boot}:${fields[19]}`;
  } catch {
    if (process.platform === "linux") return null;
    const ps = Bun.spawnSync(["ps", "-o", "state=,lstart=", "-p", String(pid)]);
    const text = ps.stdout.toString().trim();
    return ps.exitCode !== 0 || text === "" || text.startsWith("Z") ? null : text.replace(/^\S+\s+/, "");
  }
}

/** Whether a process is dead and only its id is left, because its parent does not ask how it ended. Linux alone has to know. */
export function isZombie(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Whether the process that was recorded is still there. */
export function isAlive(record: { pid: number; identity: string }): boolean {
  return identityOf(record.pid) === record.identity;
}

export function remember(folder: string, record: ProcessRecord): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${record.name}.json`), JSON.stringify(record));
}

export function forget(folder: string, name: string): void {
  rmSync(join(folder, `${name}.json`), { force: true });
}

/** All processes remembered in a folder; a file that was cut off by a crash counts as none. */
export function remembered(folder: string): ProcessRecord[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [recordSchema.parse(JSON.parse(readFileSync(join(folder, name), "utf8")))];
    } catch {
      return [];
    }
  });
}

/** Signals a process; one that has ended meanwhile is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Asks a recorded process to end, then ends it; resolves when it is gone. */
export async function end(record: ProcessRecord, graceMs: number): Promise<void> {
  const untilMs = performance.now() + graceMs;
  const target = record.group === true ? -record.pid : record.pid;
  if (!isAlive(record)) return;
  signal(target, record.stopSignal);
  while (isAlive(record) && performance.now() < untilMs) await Bun.sleep(20);
  if (isAlive(record) || record.group === true) signal(target, "SIGKILL");
  while (isAlive(record)) await Bun.sleep(20);
}

/** Ends whatever an earlier run that was killed left running, each within a grace. Answers the names of what it found. */
export async function endLeftovers(folder: string, graceMs = 10_000): Promise<string[]> {
  const records = remembered(folder).toSorted((a, b) => b.rank - a.rank);
  const found = records.filter(isAlive);
  for (const rank of new Set(found.map((record) => record.rank))) {
    await Promise.all(found.filter((record) => record.rank === rank).map((record) => end(record, graceMs)));
  }
  for (const record of records) forget(folder, record.name);
  return found.map((record) => record.name);
}
