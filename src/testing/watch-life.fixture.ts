import { readFileSync } from "node:fs";

/**
 * A worker that asks `/livez` of a process every 10 ms from a thread of its own, so that what the test does meanwhile is not
 * measured. It is given the address and the process; asked again it answers with how long each answer took, in milliseconds,
 * and ends. What the process waited for a core is left out: that is the machine's doing.
 */
declare const self: Worker;

/** Whose `/livez` is asked. */
export interface Watched {
  url: string;
  pid: number;
}

const took: number[] = [];
let ended = false;

/** How long the process' main thread has waited for a core so far, in milliseconds; Linux alone tells. */
function waitedMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

async function watch({ url, pid }: Watched): Promise<void> {
  while (!ended) {
    const [began, waitedBefore] = [performance.now(), waitedMs(pid)];
    await (await fetch(`${url}/livez`)).text();
    took.push(performance.now() - began - (waitedMs(pid) - waitedBefore));
    await Bun.sleep(10);
  }
  postMessage(took.toSorted((a, b) => a - b));
}

self.addEventListener("message", ({ data }: MessageEvent<Watched | null>) => {
  if (data === null) ended = true;
  else void watch(data);
});
