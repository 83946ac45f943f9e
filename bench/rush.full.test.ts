import { expect, test } from "bun:test";
import { inScratch } from "#bin/scratch.ts";
import { startServers } from "#bin/servers.ts";
import { type Crowd, startCrowd } from "./crowd.ts";

const BEFORE = 20;
const RUSH = 1_000;
const ALL_RUN_WITHIN_MS = 60_000;
const BAR_MS = 1_000;
/** A bar may be worked so much later than it closed. */
const LATE_MS = 1_000;
const LOOK_EVERY_MS = 200;

/** The longest time since the close of the newest bar that one of the sessions has worked; and answers that said "not ready". */
interface Watched {
  worstMs: number;
  notReady: string[];
}

/** Watches the sessions that were there before, until it is stopped. */
function watch(crowd: Crowd, ids: readonly string[]): { stop(): Promise<Watched> } {
  const watched: Watched = { worstMs: 0, notReady: [] };
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      const [row] = await crowd.sql<{ behind: number }[]>`
        select (extract(epoch from clock_timestamp()) * 1000 - min(candle_close_at_ms))::float8 as behind
        from strategy_executor.runs where session_id = any(${[...ids]})`;
      watched.worstMs = Math.max(watched.worstMs, row?.behind ?? Number.POSITIVE_INFINITY);
      for (const url of new Set(Object.values(crowd.urls))) {
        const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
        if (answer.status !== 200) watched.notReady.push(await answer.text());
      }
      await Bun.sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await looking;
      return watched;
    },
  };
}

async function untilRunning(crowd: Crowd, ids: readonly string[], withinMs: number): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const states = await crowd.states(ids);
    const tookMs = performance.now() - beganMs;
    if (states["RUNNING"] === ids.length) return tookMs;
    if (tookMs > withinMs) throw new Error(`After ${withinMs} ms the sessions are ${JSON.stringify(states)}.`);
    await Bun.sleep(100);
  }
}

test.each([
  ["in one process", false],
  ["in one process each", true],
])(
  "a thousand sessions started at once %s all run within a minute, and hold up no bar of those that ran before",
  async (_where, processes) => {
    const place = { prefix: "r3edge-rush-", command: "the test" };
    const { tookMs, worstMs, notReady } = await inScratch(place, async (scratch) => {
      const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
      const crowd = await startCrowd(scratch, servers, { processes });
      try {
        const before = await crowd.add(BEFORE, { bursts: false });
        await untilRunning(crowd, before, ALL_RUN_WITHIN_MS);
        // Until each has worked a bar.
        await Bun.sleep(2 * BAR_MS);
        const watching = watch(crowd, before);
        const beganMs = performance.now();
        const rush = await crowd.add(RUSH, { bursts: false });
        await untilRunning(crowd, rush, ALL_RUN_WITHIN_MS);
        return { tookMs: performance.now() - beganMs, ...(await watching.stop()) };
      } finally {
        await crowd.close();
      }
    });
    expect(tookMs).toBeLessThan(ALL_RUN_WITHIN_MS);
    expect(worstMs).toBeLessThan(BAR_MS + LATE_MS + LOOK_EVERY_MS);
    expect(notReady).toEqual([]);
  },
  240_000,
);
