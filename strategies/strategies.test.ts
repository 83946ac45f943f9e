import { describe, expect, test } from "bun:test";
import { systemClock } from "#shared/clock/system.ts";
import { checkStrategy, faultsOfStrategy, findStrategy } from "#shared/strategy/registry.ts";
import type { StrategyBar, StrategyContext, StrategyInstance } from "#shared/strategy/strategy.ts";
import { readCatalogue } from "#shared/strategy-threads/catalogue.ts";
import { infoOf, loadDefinitions } from "#shared/strategy-threads/definitions.ts";
import { flip } from "./flip.ts";
import { smaCross } from "./sma-cross.ts";

/** Every strategy of this folder. */
const { strategies } = await readCatalogue(["strategies"], {
  inspect: async (file) => (await loadDefinitions(file)).map((definition) => infoOf(definition, file)),
  clock: systemClock,
});
const definitions = (await Promise.all(strategies.map(({ file }) => loadDefinitions(file)))).flat();

function wishOf(instance: StrategyInstance, close: number, seen: Partial<StrategyContext> = {}): string {
  let wish = "nothing";
  const context: StrategyContext = {
    nowMs: 0,
    position: "flat",
    busy: false,
    random: () => 0.5,
    wantLong: () => {
      wish = "long";
    },
    wantFlat: () => {
      wish = "flat";
    },
    ...seen,
  };
  const bar: StrategyBar = {
    n: 1,
    openAtMs: 0,
    closeAtMs: 1,
    open: close,
    high: close,
    low: close,
    close,
    volume: 0,
    closed: true,
  };
  instance.onBar(bar, context);
  return wish;
}

describe("sma-cross", () => {
  const check = (params: unknown) => checkStrategy([smaCross], { strategy: "sma-cross", params });

  test("wants nothing before bar `slow`, then long above and flat at or below", () => {
    const strategy = smaCross.create({ fast: 1, slow: 3 });
    expect([5, 5, 5, 6, 5, 4].map((close) => wishOf(strategy, close))).toEqual([
      "nothing",
      "nothing",
      "flat",
      "long",
      "flat",
      "flat",
    ]);
  });

  test.each([0.11, 0.1, 1e-8, 12_345.678_9, 1e15 / 3])(
    "wants nothing but flat in 40 bars of constant price %p, whose two sums may differ in the last bit",
    (price) => {
      const strategy = smaCross.create({ fast: 10, slow: 30 });
      const wishes = new Set(Array.from({ length: 40 }, () => wishOf(strategy, price)));
      expect([...wishes]).toEqual(["nothing", "flat"]);
    },
  );

  test("is asked for no warm-up and has the demo's lengths as defaults", () => {
    expect(smaCross.warmupBars({ fast: 10, slow: 30 })).toBe(0);
    expect(check({})).toMatchObject({ kind: "valid", params: { fast: 10, slow: 30 } });
  });

  test.each([
    [{ fast: 30, slow: 10 }, ["params.fast"]],
    [{ fast: 0, slow: "x" }, ["params.fast", "params.slow"]],
    [{ fast: 1, slow: 2, other: 3, more: 4 }, ["params.other", "params.more"]],
  ])("refuses %p and names each field", (params, fields) => {
    expect(faultsOfStrategy(check(params)).map(({ field }) => field)).toEqual(fields);
  });
});

test("flip turns around, and leaves an order on its way alone", () => {
  const strategy = flip.create({});
  expect(wishOf(strategy, 1)).toBe("long");
  expect(wishOf(strategy, 1, { position: "long" })).toBe("flat");
  expect(wishOf(strategy, 1, { position: "long", busy: true })).toBe("nothing");
});

test.each(definitions.map((definition) => [definition.name, definition] as const))(
  "%s has a default for each parameter and goes on the same from a snapshot",
  (_name, definition) => {
    const params = definition.params.parse({});
    const whole = definition.create(params);
    let resumed = definition.create(params);
    for (let index = 0; index < 300; index += 1) {
      const close = 100 + 7 * Math.sin(index / 5) + (index % 7);
      const snapshot = JSON.stringify(resumed.snapshot());
      resumed = definition.create(params);
      resumed.restore(JSON.parse(snapshot));
      expect(wishOf(resumed, close)).toBe(wishOf(whole, close));
    }
  },
);

test("every strategy is found by its own name, without a list of them", () => {
  // Beside those of a person.
  expect(definitions.map(({ name }) => name)).toEqual(expect.arrayContaining(["flip", "sma-cross"]));
  for (const definition of definitions) expect(findStrategy(definitions, definition.name)).toBe(definition);
  expect(findStrategy(definitions, "no-such")).toBeNull();
});
