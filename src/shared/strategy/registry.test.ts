import { expect, test } from "bun:test";
import { faultsOfStrategy } from "./registry.ts";

test.each([
  [["flip"], [], "must be one of flip"],
  [["flip"], ["a.ts cannot be loaded"], "must be one of flip; a.ts cannot be loaded"],
  [[], ["a.ts cannot be loaded"], "is not known: there are none; a.ts cannot be loaded"],
])("an unknown strategy beside %p with the faults %p is refused: %s", (known, faults, message) => {
  expect(faultsOfStrategy({ kind: "unknown-strategy", known, faults })).toEqual([{ field: "strategy", message }]);
});
