import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { SweepWorld } from "./sweep.fixture.ts";

let world: SweepWorld;
beforeAll(async () => {
  world = await SweepWorld.create();
});
beforeEach(() => world.serve());
afterAll(() => world.close());

/** Forty combinations, in parts of two. */
const WIDE = { grid: { fast: [3, 5], slow: { from: 10, to: 29, step: 1 } } };

describe("a run whose thread ends under it", () => {
  test("is tried again, twice, and holds up none of its part", async () => {
    world.ends.set(2, 2).set(3, 1);
    const id = await world.ask(WIDE);
    expect(await world.untilState(id, "DONE", "FAILED")).toMatchObject({ state: "DONE", done: 40, failed: 0 });
    expect([world.ends.get(2), world.ends.get(3)]).toEqual([0, 0]);
    const ended = await world.database.db.sql`
      select number, thread_ends from backtest.sweep_runs where sweep_id = ${id} and thread_ends > 0 order by number`;
    expect([...ended]).toEqual([
      { number: 2, thread_ends: 2 },
      { number: 3, thread_ends: 1 },
    ]);
  });

  test("each time fails, alone, and says why", async () => {
    world.ends.set(5, 100);
    const id = await world.ask(WIDE);
    expect(await world.untilState(id, "DONE", "FAILED")).toMatchObject({ state: "DONE", done: 39, failed: 1 });
    expect((await world.runsOf(id))[4]).toMatchObject({
      state: "FAILED",
      error: "Its thread has ended 3 times. At last: It was nobody's doing.",
    });
    world.ends.clear();
  });
});

describe("a part that nobody tries again", () => {
  test("goes on with a resume, also while its sweep is RUNNING; parts at work have no second task", async () => {
    const { sql } = world.database.db;
    world.history.failures = Number.POSITIVE_INFINITY;
    const id = await world.ask(WIDE);
    await until(async () => (await sql`select 1 from queue.tasks where failures > 0`).length > 0);
    const [dead] = await sql<{ lane: string }[]>`
      update queue.tasks set state = 'dead', error = 'It failed too often.' 
      where id = (select id from queue.tasks where state = 'open' and failures > 0 limit 1)
      returning lane`;
    world.history.failures = 0;
    const [sweepId, part] = dead?.lane.split(":") ?? [];
    expect(sweepId).toBe(id);
    await until(async () => (await world.read(id)).done === 38);
    expect(await world.read(id)).toMatchObject({ state: "RUNNING", failed: 0 });
    const tasks = () => sql`select 1 from queue.tasks where lane = ${`${id}:${part}`}`;
    expect(await tasks()).toHaveLength(1);
    expect(await world.call(`/${id}/resume`, null)).toMatchObject({ status: 200, body: { state: "RUNNING" } });
    expect((await world.call(`/${id}/resume`, null)).status).toBe(200);
    expect(await world.untilState(id, "DONE")).toMatchObject({ done: 40, failed: 0 });
    expect((await tasks()).length).toBe(2);
  });
});
