import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Sweep } from "./contract.ts";
import { type Answer, SweepWorld, WANTED } from "./sweep.fixture.ts";

let world: SweepWorld;
beforeAll(async () => {
  world = await SweepWorld.create();
  await world.serve();
});
afterAll(() => world.close());

describe("a request for a sweep", () => {
  test("under one Idempotency-Key is one sweep; with another request the key is refused", async () => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const [one, two] = await Promise.all([world.call("", WANTED, key), world.call("", WANTED, key)]);
    expect([one.status, two.status, one.body.id === two.body.id]).toEqual([202, 202, true]);
    const other = await world.call("", { ...WANTED, capital: "1" }, key);
    expect([other.status, other.body.errors?.[0]?.field]).toEqual([422, "headers.idempotency-key"]);
    await world.untilState(one.body.id, "DONE");
    const { items } = (await world.call("?limit=1000")).body;
    expect((items as Sweep[]).filter(({ id }) => id === one.body.id)).toHaveLength(1);
  });

  test.each([
    [{ grid: {} }, ["grid"]],
    [{ grid: { fast: 5 } }, ["grid.fast"]],
    [{ grid: { fast: [] } }, ["grid.fast"]],
    [{ grid: { fast: { from: 1, to: 5, step: 0 } } }, ["grid.fast"]],
    [{ params: { fast: 3 } }, ["grid.fast"]],
    [{ grid: { fast: ["x"] } }, ["grid.fast"]],
    [{ grid: { speed: [1, 2] } }, ["grid.speed"]],
    [{ grid: { fast: [3] }, params: { slwo: 4 } }, ["params.slwo"]],
    [{ grid: { fast: [50], slow: [40] } }, ["grid.fast"]],
    [{ grid: { slow: [40] }, params: { fast: 50 } }, ["params.fast"]],
    [{ strategy: "none" }, ["strategy"]],
    [{ instrumentId: "NO/NO.paper" }, ["instrumentId"]],
    [{ fromN: 5, toN: 4 }, ["toN"]],
  ])("with %p is refused and names its fields", async (change, fields) => {
    const { status, body } = await world.call("", { ...WANTED, ...change });
    expect(status).toBe(422);
    expect(body.errors?.map(({ field }) => field)).toEqual(fields);
  });

  test("for too many combinations says how many there are and may be", async () => {
    const { body } = await world.call("", {
      ...WANTED,
      grid: { fast: { from: 1, to: 1_000 }, slow: { from: 1, to: 1e9 } },
    });
    expect(body.errors).toEqual([
      {
        field: "grid",
        message:
          "makes 1000000000000 combinations; at most 2000 may be asked for (R3_BACKTEST_MAX_SWEEP_RUNS): take a wider step or fewer values",
      },
    ]);
  });

  test("for too much text says so, before it makes any of it", async () => {
    const { status, body } = await world.call("", {
      ...WANTED,
      params: { note: "x".repeat(100_000) },
      grid: { fast: { from: 1, to: 1_000 } },
    });
    expect([status, body.errors]).toEqual([
      422,
      [
        {
          field: "grid",
          message:
            "makes 1000 combinations with more than 16777216 characters of parameters: take shorter values, or fewer",
        },
      ],
    ]);
  });

  test("under one Idempotency-Key is the same whatever the order of its keys", async () => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const { fast, slow } = WANTED.grid;
    const ids: string[] = [];
    for (const grid of [
      { fast, slow },
      { slow, fast },
    ])
      ids.push((await world.call("", { ...WANTED, grid }, key)).body.id);
    expect(ids[0]).toMatch(/^[\da-f-]{36}$/);
    expect(ids[1]).toBe(ids[0]);
    await world.untilState(ids[0] ?? "", "DONE");
  });

  test("that no combination of is taken says so", async () => {
    const { body } = await world.call("", { ...WANTED, grid: { fast: [50, 60], slow: [40] } });
    expect(body.detail).toBe(
      "The strategy takes none of the 2 combinations; the first is refused for the fields named.",
    );
  });

  test("for one that is not there is 404; the list is paged", async () => {
    for (const path of ["", "/runs"]) expect((await world.call(`/${crypto.randomUUID()}${path}`)).status).toBe(404);
    for (const path of ["cancel", "resume"])
      expect((await world.call(`/${crypto.randomUUID()}/${path}`, null)).status).toBe(404);
    const [one, two] = [await world.ask(), await world.ask()];
    const ids: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body }: Answer = await world.call(`?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`);
      ids.push(...(body.items as Sweep[]).map(({ id }) => id));
      cursor = body.nextCursor;
    }
    expect(ids.slice(-2)).toEqual([one, two]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
