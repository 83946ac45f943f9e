import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { runBacktest } from "#shared/backtest/run.ts";
import { statisticsOf } from "#shared/backtest/statistics.ts";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { bodyOf } from "#shared/strategy-threads/thread-host.fixture.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import type { SweepRun } from "./contract.ts";
import { SweepWorld, WANTED } from "./sweep.fixture.ts";

/** Of the twenty combinations those whose fast average is none: 5/5, 8/5, 13/5 and 13/10. */
const REFUSED = 4;
const RUNS = 16;
/** Takes some milliseconds a bar: a part of it is under way for long. */
const SLOW = { strategy: "slow", grid: { n: [1, 2, 3, 4, 5, 6] }, fromN: 101, toN: 160 };

let world: SweepWorld;

beforeAll(async () => {
  world = await SweepWorld.create();
  const n = { params: "z.strictObject({ n: z.number() })" };
  const spin = "let spun = 1; for (let i = 0; i < 2e6; i += 1) spun = (spun * 31 + i) | 0; kept[0] = spun;";
  await world.folder.write("slow", bodyOf(spin, "kept"), { ...n, before: "const kept = [0];" });
  const bad = bodyOf('if (params.n === 2 && bar.n === 150) for (;;); if (params.n === 3) throw new Error("no three");');
  await world.folder.writeFile(
    "picky.ts",
    `import { z } from "zod";
import { defineStrategy } from "#shared/strategy/strategy.ts";
export const picky = defineStrategy({ name: "picky", version: "1", description: "for tests",
  params: z.strictObject({ n: z.number() }), warmupBars: () => 0, forming: false, create: (params) => ${bad} });
`,
  );
});
beforeEach(() => world.serve());
afterAll(() => world.close());

/** What a run comes to in one loop, without any service. */
function pure(params: Record<string, unknown>) {
  const columns = columnsOf(world.history.candles.slice(WANTED.fromN - 1, WANTED.toN));
  const capital = decimal(WANTED.capital);
  const policy = backtestPolicy();
  const { fills, denials } = runBacktest({
    definition: smaCross,
    params,
    instrument: spx,
    columns,
    firstN: WANTED.fromN,
    capital,
    policy,
  });
  const statistics = statisticsOf({ columns, instrument: spx, capital, fills }, "1d");
  return { params, state: "DONE", statistics, denials: Object.fromEntries(denials) };
}

const backtestPolicy = () => ({
  ...WANTED.riskPolicy,
  sizing: { method: "percent-of-equity" as const, percent: "95" },
  maxOrderNotional: null,
  maxPositionNotional: null,
  signalValidityMs: null,
  degradedEntries: "deny-stale" as const,
});

describe("a sweep", () => {
  test.each([1, 3])("over %d workers is each of its runs, as the pure loop makes it", async (workers) => {
    await world.serve(workers);
    const id = await world.ask();
    const done = await world.untilState(id, "DONE", "FAILED");
    expect(done).toMatchObject({
      state: "DONE",
      runs: RUNS,
      done: RUNS,
      failed: 0,
      progress: 1,
      bars: 600,
      error: null,
    });
    expect(done).toMatchObject({ leftOut: REFUSED, leftOutReason: "grid.fast must be below slow." });
    expect(done.barsReason).toContain("600 candles, number 101");
    const runs = await world.runsOf(id);
    expect(runs.map(({ number }) => number)).toEqual(Array.from({ length: RUNS }, (_, index) => index + 1));
    expect(runs.map(({ params, state, statistics, denials }) => ({ params, state, statistics, denials }))).toEqual(
      runs.map(({ params }) => pure(params) as never),
    );
    const open = await world.database.db.sql`select 1 from queue.tasks where state <> 'done'`;
    expect(open).toHaveLength(0);
  });

  test("reads its history once in a process, and its candles are those that its first worker found", async () => {
    let reads = 0;
    world.history.onRead = async () => {
      reads += 1;
      // The series goes on while the sweep is at work.
      const last = world.history.candles.at(-1) ?? expect.unreachable();
      if (reads === 1)
        world.history.candles.push({
          ...last,
          n: last.n + 1,
          openAtMs: last.closeAtMs,
          closeAtMs: 2 * last.closeAtMs - last.openAtMs,
        });
    };
    await world.serve(3);
    const before = world.history.candles.length;
    const { toN: _toN, ...open } = WANTED;
    const { body } = await world.call("", open);
    const done = await world.untilState(body.id, "DONE", "FAILED");
    world.history.onRead = async () => undefined;
    world.history.candles.pop();
    expect(done.state).toBe("DONE");
    // Which of the workers looked first, before or after the new candle, is not told beforehand.
    expect([before - 100, before - 99]).toContain(done.bars ?? 0);
    const bars = (await world.runsOf(body.id)).map(({ statistics }) => statistics?.bars);
    expect(new Set(bars)).toEqual(new Set([done.bars ?? 0]));
    expect(reads).toBeLessThanOrEqual(6);
  });

  test("lists its runs by any figure, either way, those without it last, and by state", async () => {
    const id = await world.ask();
    await world.untilState(id, "DONE");
    const all = await world.runsOf(id, "", 100);
    const { sql } = world.database.db;
    await sql`update backtest.sweep_runs set statistics = jsonb_set(statistics, '{sharpe}', 'null') where sweep_id = ${id} and number in (2, 9)`;
    const sharpe = (run: SweepRun) => (run.number === 2 || run.number === 9 ? null : (run.statistics?.sharpe ?? null));
    for (const [order, sign] of [
      ["asc", 1],
      ["desc", -1],
    ] as const) {
      const expected = all.toSorted((a, b) => {
        const [left, right] = [sharpe(a), sharpe(b)];
        if (left === null || right === null) return left === right ? a.number - b.number : left === null ? 1 : -1;
        return sign * (left - right) || a.number - b.number;
      });
      const sorted = await world.runsOf(id, `&sort=sharpe&order=${order}`, 3);
      expect(sorted.map(({ number }) => number)).toEqual(expected.map(({ number }) => number));
    }
    expect(await world.runsOf(id, "&state=QUEUED")).toEqual([]);
    const profits = await world.runsOf(id, "&sort=netProfit&order=desc&state=DONE", 7);
    expect(profits.map(({ number }) => number)).toEqual(
      all
        .toSorted(
          (a, b) =>
            decimal(b.statistics?.netProfit ?? "0").cmp(decimal(a.statistics?.netProfit ?? "0")) || a.number - b.number,
        )
        .map(({ number }) => number),
    );
    expect((await world.call(`/${id}/runs?sort=colour`)).status).toBe(422);
    expect((await world.call(`/${id}/runs?cursor=zzz`)).status).toBe(422);
  });

  test("goes on without a run that does not come back or throws, and says why", async () => {
    const id = await world.ask({ strategy: "picky", grid: { n: [1, 2, 3, 4, 5] } });
    expect(await world.untilState(id, "DONE")).toMatchObject({ runs: 5, done: 3, failed: 2 });
    const errors = (await world.runsOf(id)).map(({ error }) => error);
    expect([errors[0], errors[3], errors[4]]).toEqual([null, null, null]);
    expect(errors[1]).toMatch(/did not come back from candle 150/);
    expect(errors[2]).toMatch(/no three/);
  });

  test("fails as a whole where it cannot be worked, and goes on once it can", async () => {
    const id = await world.ask({ fromN: 900_001, toN: 900_002 });
    const failed = await world.untilState(id, "FAILED", "DONE");
    expect(failed).toMatchObject({ state: "FAILED", done: 0 });
    expect(failed.error).toContain("There are no candles in this range");
    await world.database.db
      .sql`update backtest.sweeps set request = request || '{"fromN": 101, "toN": 700}' where id = ${id}`;
    expect(await world.call(`/${id}/resume`, null)).toMatchObject({
      status: 200,
      body: { error: null, finishedAtMs: null },
    });
    expect(await world.untilState(id, "DONE", "FAILED")).toMatchObject({ state: "DONE", done: RUNS });
  });

  test("waits for market-data", async () => {
    world.history.failures = 2;
    expect(await world.untilState(await world.ask(), "DONE", "FAILED")).toMatchObject({ state: "DONE", done: RUNS });
  });
});

describe("a sweep that is canceled", () => {
  test("keeps what is done, writes nothing more, and goes on with the rest when it is resumed", async () => {
    const id = await world.ask(SLOW);
    await until(async () => (await world.read(id)).done >= 1);
    const canceled = await world.call(`/${id}/cancel`, null);
    expect(canceled).toMatchObject({ status: 200, body: { state: "CANCELED", error: "It was canceled." } });
    const { done } = canceled.body;
    expect(done).toBeLessThan(6);
    const open = () => world.database.db.sql`select 1 from queue.tasks where state <> 'done'`;
    await until(async () => (await open()).length === 0);
    expect(await world.read(id)).toMatchObject({ state: "CANCELED", done });
    expect((await world.call(`/${id}/cancel`, null)).status).toBe(200);
    expect((await world.call(`/${id}/resume`, null)).body).toMatchObject({ state: "QUEUED", done, error: null });
    expect((await world.call(`/${id}/resume`, null)).status).toBe(200);
    expect(await world.untilState(id, "DONE")).toMatchObject({ done: 6, failed: 0 });
    const dead = await world.call(`/${id}/cancel`, null);
    expect([dead.status, dead.body.detail]).toEqual([
      409,
      "The sweep is over: it is DONE, and there is nothing to cancel.",
    ]);
    expect((await world.call(`/${id}/resume`, null)).status).toBe(409);
  });

  test("by a stop of its worker is put back at once, and the next worker goes on", async () => {
    const id = await world.ask(SLOW);
    await until(async () => (await world.read(id)).done >= 1);
    const sinceMs = performance.now();
    await world.serve();
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
    expect(await world.untilState(id, "DONE")).toMatchObject({ done: 6, failed: 0 });
  });

  test("a part that takes long is put back and taken again, behind what is done of it", async () => {
    const numbers = { from: 1, to: 21, step: 1 };
    const id = await world.ask({ ...SLOW, grid: { n: numbers }, toN: 110 });
    await world.untilState(id, "RUNNING");
    await until(async () => {
      world.aheadMs += 1_800_001;
      const [row] = await world.database.db.sql`select max(attempts) as most from queue.tasks where state <> 'done'`;
      return Number(row?.["most"]) > 1 || (await world.read(id)).state === "DONE";
    });
    expect(await world.untilState(id, "DONE")).toMatchObject({ done: 21, failed: 0 });
    const twice = await world.database.db.sql`
      select 1 from queue.tasks where lane like ${`${id}:%`} and attempts > 1`;
    expect(twice.length).toBeGreaterThan(0);
  });

  test("a run beyond its deadline fails, and the others are run", async () => {
    await world.serve(1, { R3_BACKTEST_DEADLINE_S: "1" });
    const late = await world.ask({ ...SLOW, grid: { n: [1] }, toN: 2_000 });
    const next = await world.ask({ ...SLOW, grid: { n: [1] }, toN: 110 });
    expect(await world.untilState(late, "DONE")).toMatchObject({ done: 0, failed: 1 });
    expect((await world.runsOf(late))[0]?.error).toBe(
      "It took longer than its deadline of 1 s (R3_BACKTEST_DEADLINE_S).",
    );
    expect(await world.untilState(next, "DONE")).toMatchObject({ done: 1, failed: 0 });
  });
});
