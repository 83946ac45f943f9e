import { existsSync, readFileSync } from "node:fs";

/**
 * Memory of a process and of all its children, in MB: on Linux the proportional share, so that what processes share counts
 * once; elsewhere the resident set of the process alone. 0: it is gone.
 */
export function memoryMb(pid: number): number {
  if (!existsSync("/proc/self/smaps_rollup")) {
    const ps = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]);
    return Number(ps.stdout.toString().trim()) / 1_024;
  }
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(/\s+/)
      .filter(Boolean)
      .map(Number);
    const share = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? "0";
    return Number(share) / 1_024 + children.map(memoryMb).reduce((sum, each) => sum + each, 0);
  } catch {
    return 0;
  }
}
