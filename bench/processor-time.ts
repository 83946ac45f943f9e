import { readdirSync, readFileSync } from "node:fs";

/** Of Linux: clock ticks of processor time a second. */
const TICKS_PER_S = 100;

interface Stat {
  parent: number;
  ticks: number;
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // Its own time, and that of its children that have ended.
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return null;
  }
}

/** Processor time of processes and of all that they have started, in milliseconds. Linux alone; 0 elsewhere. */
export function processorMs(pids: readonly number[]): number {
  const stats = new Map<number, Stat>();
  try {
    for (const name of readdirSync("/proc")) {
      const stat = /^\d+$/.test(name) ? statOf(Number(name)) : null;
      if (stat !== null) stats.set(Number(name), stat);
    }
  } catch {
    return 0;
  }
  const isOurs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = stats.get(at)?.parent ?? 0) if (pids.includes(at)) return true;
    return false;
  };
  let ticks = 0;
  for (const [pid, stat] of stats) if (isOurs(pid)) ticks += stat.ticks;
  return (ticks * 1_000) / TICKS_PER_S;
}
