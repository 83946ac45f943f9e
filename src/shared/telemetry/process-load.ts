import { statfs } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ProcessLoad } from "./heartbeats.ts";

/** How often the loop is looked at, in milliseconds: what is shorter is no delay. */
const RESOLUTION_MS = 20;

/**
 * Measures this process: each call gives what was since the one before. `folder` is on the disk that it works on; `memoryBytes`
 * tells its memory.
 */
export function measureProcess(folder: string, memoryBytes: () => number): () => Promise<ProcessLoad> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  return async () => {
    const loopDelayMs = Math.max(0, Math.round(delays.max / 1e6) - RESOLUTION_MS);
    delays.reset();
    return { memoryBytes: memoryBytes(), loopDelayMs, ...(await diskOf(folder)) };
  };
}

/** Zeros where the system does not tell. */
async function diskOf(folder: string): Promise<Pick<ProcessLoad, "diskBytes" | "diskFreeBytes">> {
  try {
    const { blocks, bfree, bavail, bsize } = await statfs(folder);
    // What is kept back for root is neither used nor free.
    return { diskBytes: (blocks - bfree + bavail) * bsize, diskFreeBytes: bavail * bsize };
  } catch {
    return { diskBytes: 0, diskFreeBytes: 0 };
  }
}
