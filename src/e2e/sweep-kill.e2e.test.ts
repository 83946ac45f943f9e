import { expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT } from "#local/root.ts";
import { readHistory } from "#services/backtest/history.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { itemsOf, json } from "#testing/alone-work.fixture.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";

/** So eleven parts of two, but for the last one. */
const RUNS = 21;
const PARTS = 11;
const BARS = 200;
const SWEEP = {
  grid: { fast: [3, 5, 8], slow: { from: 10, to: 40, step: 5 } },
  instrumentId: spx.id,
  timeFrame: "1d",
  capital: "10000",
  riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" } },
};
/** How much work a run is, in milliseconds: longer than what is done of a part stays unwritten. */
const RUN_MS = 350;

/** A loop that takes so long where nothing else runs: by the fastest of many, since a busy machine only makes them slower. */
function loopOf(ms: number): string {
  let fastestMs = Number.POSITIVE_INFINITY;
  let spun = 1;
  for (let times = 0; times < 40; times += 1) {
    const beganMs = performance.now();
    for (let i = 0; i < 2e6; i += 1) spun = (spun * 31 + i) | 0;
    fastestMs = Math.min(fastestMs, performance.now() - beganMs);
  }
  const turns = Math.round((2e6 / fastestMs) * ms);
  return `let spun = ${spun}; for (let i = 0; i < ${turns}; i += 1) spun = (spun * 31 + i) | 0; if (spun === 0.5) return;`;
}

/** sma-cross under another name, slowly. */
async function slowCross(): Promise<string> {
  const text = await Bun.file(join(ROOT, "strategies/sma-cross.ts")).text();
  const place = "const quick =";
  expect(text).toContain(place);
  return text
    .replace('name: "sma-cross"', 'name: "slow-cross"')
    .replace(place, `${loopOf(RUN_MS / BARS)}\n        ${place}`);
}

/** What the runs of a sweep came to, without when. */
async function resultsOf(url: string): Promise<unknown[]> {
  const runs = await itemsOf(`${url}/runs?limit=1000`);
  return runs.map(({ finishedAtMs: _at, ...run }) => run);
}

const isOver = (url: string) => async () => {
  const sweep = await json(url);
  return sweep["state"] !== "QUEUED" && sweep["state"] !== "RUNNING" && sweep;
};

/** Who holds lanes of a sweep, by what their process calls itself. */
async function ownersOf({ db }: World, id: string): Promise<string[]> {
  const rows = await db.sql<{ owner: string }[]>`
    select distinct owner from queue.lanes where lane like ${`${id}:%`} and owner is not null`;
  return rows.map(({ owner }) => owner);
}

/** The lane that a worker holds, where some of its part's runs are written and others are not. */
async function halfDoneLane({ db }: World, id: string, owner: string): Promise<{ lane: string; epoch: number } | null> {
  const rows = await db.sql<{ lane: string; epoch: number }[]>`
    select l.lane, l.epoch from queue.lanes l
    where l.owner = ${owner} and exists (
      select from backtest.sweep_runs r where r.sweep_id = ${id} and l.lane = ${`${id}:`} || r.part
      having count(*) filter (where state = 'DONE') > 0 and count(*) filter (where state = 'QUEUED') > 0)`;
  return rows[0] ?? null;
}

/** Kills a process in the middle of a part. It is frozen first: so what is looked at is what it leaves. */
async function killHalfWay(world: World, id: string, { pid, owner }: { pid: number; owner: string }) {
  for (;;) {
    await eventually("a part of it is half done", () => halfDoneLane(world, id, owner), 60_000);
    process.kill(pid, "SIGSTOP");
    // A commit that it has sent is over by then.
    await Bun.sleep(100);
    const struck = await halfDoneLane(world, id, owner);
    process.kill(pid, struck === null ? "SIGCONT" : "SIGKILL");
    if (struck !== null) return struck;
  }
}

/** The next day of the series. */
function dayAfter(last: Candle): Candle {
  return { ...last, n: last.n + 1, openAtMs: last.closeAtMs, closeAtMs: 2 * last.closeAtMs - last.openAtMs };
}

test("a sweep over three workers, one of them killed, is to the last digit what a single process makes of it", async () => {
  const world = await createWorld();
  const folder = await strategyFolder();
  const processes: RunningProcess[] = [];
  const start = async () => {
    const worker = await startProcess(["backtest"], {
      ...world.settings,
      R3_STRATEGY_FOLDERS: `strategies,${folder.path}`,
    });
    processes.push(worker);
    await untilReady(worker);
    return worker;
  };
  try {
    await folder.writeFile("slow-cross.ts", await slowCross());
    const { candles } = world.neighbours;
    candles.push(...(await readHistory()).candles.slice(0, BARS));

    const first = await start();
    const ask = async (strategy: string) =>
      String((await json(`${first.url}/api/backtest/sweeps`, { ...SWEEP, strategy }))["id"]);
    const alone = `${first.url}/api/backtest/sweeps/${await ask("sma-cross")}`;
    expect(await eventually("it is over", isOver(alone), 30_000)).toMatchObject({ state: "DONE", done: RUNS });
    const expected = await resultsOf(alone);
    expect(expected).toHaveLength(RUNS);

    const id = await ask("slow-cross");
    const owner = await eventually("the first worker has begun", async () => (await ownersOf(world, id))[0], 30_000);
    const path = `/api/backtest/sweeps/${id}`;
    await eventually("it has looked", async () => (await json(first.url + path))["bars"] === BARS, 30_000);
    // It waits for the others, so that the three share what is left, however long a start takes.
    expect(await json(`${first.url}${path}/cancel`, {})).toMatchObject({ state: "CANCELED" });
    // The series goes on: who comes later finds other candles.
    candles.push(dayAfter(candles.at(-1) ?? expect.unreachable()));
    const [second] = await Promise.all([start(), start()]);
    expect(await json(`${second.url}${path}/resume`, {})).toMatchObject({
      state: expect.stringMatching(/^(QUEUED|RUNNING)$/),
    });
    await eventually("three are at work", async () => (await ownersOf(world, id)).length === 3, 30_000);

    const struck = await killHalfWay(world, id, { pid: first.pid, owner });
    const killedAtMs = performance.now();
    const { done: doneBefore } = await json(second.url + path);
    const isTaken = async () => {
      const [row] = await world.db.sql`select epoch from queue.lanes where lane = ${struck.lane}`;
      return Number(row?.["epoch"]) > struck.epoch;
    };
    await eventually("its part is taken by another one", isTaken, 30_000);
    const pauseMs = Math.round(performance.now() - killedAtMs);
    const over = await eventually("it is over", isOver(second.url + path), 90_000);
    expect(over).toMatchObject({ state: "DONE", runs: RUNS, done: RUNS, failed: 0, bars: BARS });
    expect(await resultsOf(second.url + path)).toEqual(expected);

    const tasks = await world.db.sql<{ lane: string; state: string; attempts: number }[]>`
      select lane, state, attempts from queue.tasks where lane like ${`${id}:%`}`;
    expect(new Set(tasks.map(({ lane }) => lane)).size).toBe(PARTS);
    expect(tasks.filter(({ state }) => state !== "done")).toEqual([]);
    const again = tasks.filter(({ attempts }) => attempts > 1).length;
    expect(again).toBeGreaterThanOrEqual(1);
    process.stdout.write(
      `${JSON.stringify({ proof: "backtest", workers: 3, runs: RUNS, parts: PARTS, doneBefore, partsBegunAgain: again, pauseMs })}\n`,
    );
  } finally {
    for (const worker of processes) await worker.stop();
    await folder.remove();
    await world.close();
  }
}, 230_000);
