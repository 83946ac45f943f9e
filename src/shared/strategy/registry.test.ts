import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { checkStrategy, faultsOfStrategy } from "./registry.ts";
import { defineStrategy } from "./strategy.ts";

test.each([
  [["flip"], [], "must be one of flip"],
  [["flip"], ["a.ts cannot be loaded"], "must be one of flip; a.ts cannot be loaded"],
  [[], ["a.ts cannot be loaded"], "is not known: there are none; a.ts cannot be loaded"],
])("an unknown strategy beside %p with the faults %p is refused: %s", (known, faults, message) => {
  expect(faultsOfStrategy({ kind: "unknown-strategy", known, faults })).toEqual([{ field: "strategy", message }]);
});

describe("parameters with a name that is not known", () => {
  const UNKNOWN = "is not known here; known: fast, slow, kind";
  const length = z.number().min(1);
  const strategy = defineStrategy({
    name: "cross",
    version: "1",
    description: "For tests.",
    params: z
      .strictObject({ fast: length.default(10), slow: length.default(30), kind: z.string() })
      .refine(({ fast, slow }) => fast < slow, { path: ["fast"], message: "must be below slow" }),
    warmupBars: () => 0,
    forming: false,
    create: () => ({ onBar: () => undefined, snapshot: () => null, restore: () => undefined }),
  });
  const faultsOf = (params: object) =>
    faultsOfStrategy(checkStrategy([strategy as never], { strategy: "cross", params })).map(
      ({ field, message }) => `${field} ${message}`,
    );

  test.each<[object, string[]]>([
    [{ kind: "a", fast: 50, slwo: 60 }, [`params.slwo ${UNKNOWN}`]],
    [{ kind: "a", fats: 5, slow: 8 }, [`params.fats ${UNKNOWN}`]],
    [{ kind: "a", fast: 0, slwo: 60 }, ["params.fast must be at least 1", `params.slwo ${UNKNOWN}`]],
    [{ kidn: "a", fast: 50 }, ["params.kind is missing", `params.kidn ${UNKNOWN}`]],
    [{ kind: "a", fast: 50 }, ["params.fast must be below slow"]],
  ])("%p are refused for what was written, and for what has to be there: %p", (params, expected) => {
    expect(faultsOf(params)).toEqual(expected);
  });
});
