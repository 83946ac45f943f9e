import { type Crowd, startCrowd } from "#bench/crowd.ts";
import { say, step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";

export interface RushOptions {
  sessions: number;
  processes: boolean;
}

/** Sessions that run before the rush comes. */
const BEFORE = 20;
const ALL_RUN_WITHIN_MS = 60_000;
const BAR_MS = 1_000;
/** A bar may be worked so much later than it closed. */
const LATE_MS = 1_000;
const LOOK_EVERY_MS = 200;
const ANSWER_WITHIN_MS = 5_000;
/** So slow is an answer to /readyz of a process that stands still. */
const SLOW_MS = 2_000;

/** What was seen of the sessions and processes that were there before. */
interface Watched {
  /** The longest time from a bar's close until each of the sessions had worked it, in milliseconds. */
  latestMs: number;
  /** The longest time that an answer to /readyz took, in milliseconds. */
  slowestMs: number;
  /** Answers that said something else than "ready". */
  notReady: string[];
}

/** How late the newest closed bar is that all of the sessions have worked: 0 until the next one has closed. */
async function lateness({ sql }: Crowd, ids: readonly string[]): Promise<number> {
  const [row] = await sql<{ late: number }[]>`
    select (extract(epoch from clock_timestamp()) * 1000 - min(candle_close_at_ms))::float8 as late
    from strategy_executor.runs where session_id = any(${[...ids]})`;
  return Math.max(0, (row?.late ?? Number.POSITIVE_INFINITY) - BAR_MS);
}

async function askReady(url: string, watched: Watched): Promise<void> {
  const askedMs = performance.now();
  const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(String);
  watched.slowestMs = Math.max(watched.slowestMs, performance.now() - askedMs);
  if (typeof answer === "string") watched.notReady.push(`${url}: ${answer}`);
  else if (answer.status !== 200) watched.notReady.push(await answer.text());
}

/** Watches until it is stopped. */
function watch(crowd: Crowd, ids: readonly string[]): () => Promise<Watched> {
  const watched: Watched = { latestMs: 0, slowestMs: 0, notReady: [] };
  const over = new AbortController();
  const again = async (look: () => Promise<unknown>): Promise<void> => {
    while (!over.signal.aborted) {
      await look();
      await Bun.sleep(LOOK_EVERY_MS);
    }
  };
  const urls = [...new Set(Object.values(crowd.urls))];
  // Apart: an answer that takes long hides no bar.
  const looking = Promise.all([
    again(async () => {
      watched.latestMs = Math.max(watched.latestMs, await lateness(crowd, ids));
    }),
    again(() => Promise.all(urls.map((url) => askReady(url, watched)))),
  ]);
  // Told when it is stopped.
  looking.catch(() => undefined);
  return async () => {
    over.abort();
    await looking;
    return watched;
  };
}

async function run(scratch: Scratch, { sessions, processes }: RushOptions): Promise<Watched & { runningMs: number }> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const crowd = await step(`Services ${processes ? "one process each" : "in one process"}`, () =>
    startCrowd(scratch, servers, { processes }),
  );
  try {
    const before = await step(`${BEFORE} sessions RUNNING`, async () => {
      const ids = await crowd.add(BEFORE, "never");
      await crowd.untilRunning(ids, ALL_RUN_WITHIN_MS);
      // Each has worked a bar.
      await Bun.sleep(2 * BAR_MS);
      return ids;
    });
    const stop = watch(crowd, before);
    const beganMs = performance.now();
    await step(`${sessions} more created and started at once, and RUNNING`, async () => {
      const ids = await crowd.add(sessions, "never");
      await crowd.untilRunning(ids, ALL_RUN_WITHIN_MS);
    });
    const runningMs = performance.now() - beganMs;
    return { runningMs, ...(await stop()) };
  } finally {
    await crowd.close();
  }
}

/**
 * Sessions that are created and started all at once, beside some that run. Throws where not all run within a minute, where a
 * bar of those that ran before was worked more than a second late, and where a process was not ready meanwhile.
 */
export async function chaosRush(options: RushOptions): Promise<void> {
  const place = { prefix: "r3edge-chaos-", command: "chaos rush" };
  const { runningMs, latestMs, slowestMs, notReady } = await inScratch(place, (scratch) => run(scratch, options));
  const figures = {
    runningMs: Math.round(runningMs),
    latestBarMs: Math.round(latestMs),
    slowestReadyzMs: Math.round(slowestMs),
    notReady: notReady.length,
  };
  for (const answer of notReady.slice(0, 5)) say(`  Not ready: ${answer}`);
  process.stdout.write(`${JSON.stringify({ ...options, ...figures })}\n`);
  const faults = [
    runningMs > ALL_RUN_WITHIN_MS && `all ran after ${figures.runningMs} ms`,
    latestMs > LATE_MS + LOOK_EVERY_MS && `a bar was worked ${figures.latestBarMs} ms late`,
    slowestMs > SLOW_MS && `an answer to /readyz took ${figures.slowestReadyzMs} ms`,
    notReady.length > 0 && `${notReady.length} answers said that a process was not ready`,
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw new Trouble(`The rush held up others: ${faults.join("; ")}.`);
}
