import { expect, test } from "bun:test";
import { backoffMs } from "./backoff.ts";

test("a pause doubles with each failure in a row up to the longest, also after very many", () => {
  const backoff = { firstMs: 100, longestMs: 1_000 };
  expect([0, 1, 2, 3, 4, 5, 10_000].map((failures) => backoffMs(backoff, failures))).toEqual([
    100, 100, 200, 400, 800, 1_000, 1_000,
  ]);
});

test("a pause is spread by a quarter to both sides", () => {
  const spread = [0, 0.5, 1].map((random) => backoffMs({ firstMs: 100, longestMs: 100 }, 1, random));
  expect(spread).toEqual([75, 100, 125]);
});
