import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { combinationsOf, faultsOfGrid, longestOf, sizeOfGrid } from "./grid.ts";

describe("a grid", () => {
  test("is every combination of its values, the last name changing fastest, with what stays the same", () => {
    const grid = { fast: [3, 5], slow: { from: 10, to: 25, step: 10 } };
    expect(combinationsOf(grid, { kind: "a" })).toEqual([
      { kind: "a", fast: 3, slow: 10 },
      { kind: "a", fast: 3, slow: 20 },
      { kind: "a", fast: 5, slow: 10 },
      { kind: "a", fast: 5, slow: 20 },
    ]);
    expect(sizeOfGrid(grid)).toBe(4);
  });

  test("counts a range in decimals", () => {
    const [values] = [combinationsOf({ x: { from: 0.1, to: 0.7, step: 0.2 } }, {}).map(({ x }) => x)];
    expect(values).toEqual([0.1, 0.3, 0.5, 0.7]);
    expect(combinationsOf({ x: { from: -1, to: 1, step: 0.5 } }, {}).map(({ x }) => x)).toEqual([-1, -0.5, 0, 0.5, 1]);
  });

  test("has a size without being made", () => {
    const wide = { from: 0, to: 1e15, step: 1 };
    expect(sizeOfGrid({ a: wide, b: wide, c: [1, 2] })).toBeGreaterThan(1e30);
  });

  test("has parameters of a size that is known before they are made", () => {
    const grid = { text: ["a", "x".repeat(1_000)], n: { from: 1, to: 99, step: 1 } };
    const longest = Math.max(...combinationsOf(grid, { kind: "b" }).map((params) => JSON.stringify(params).length));
    const size = longestOf(grid, { kind: "b" });
    expect([size >= longest, size < longest + 100]).toEqual([true, true]);
  });

  test("has as many combinations as its size says, none twice", () => {
    const axis = fc.oneof(
      fc.uniqueArray(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 5 }),
      fc
        .tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 7 }))
        .map(([from, length, step]) => ({ from: from / 10, to: (from + length) / 10, step: step / 10 })),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("a", "b", "c"), axis), (grid) => {
        const made = combinationsOf(grid, {}).map((params) => JSON.stringify(params));
        expect(made).toHaveLength(sizeOfGrid(grid));
        expect(new Set(made).size).toBe(made.length);
      }),
    );
  });

  test.each([
    [{ fast: [] }, "must have at least one value"],
    [{ fast: [1, 2, 1] }, "must not have a value twice: each would be a run of its own"],
    [{ fast: { from: 1, to: 2, step: 0 } }, "must have a step above zero"],
    [{ fast: { from: 3, to: 2, step: 1 } }, "must not begin above its end"],
    [{ fast: { from: 1, to: 1e300, step: 1 } }, "must have numbers of at most 50 digits"],
    [{ slow: [1] }, "stands in params too: it is the same in all runs, or it is not"],
  ])("%j is refused in a sentence", (grid, message) => {
    const [name = ""] = Object.keys(grid);
    expect(faultsOfGrid(grid as Parameters<typeof faultsOfGrid>[0], { slow: 5 })).toEqual([
      { path: ["grid", name], message },
    ]);
  });
});
